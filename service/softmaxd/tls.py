"""The certificate of the service, for those without a proxy in front of it."""

import ssl
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path

from softmaxd.errors import StartupError

REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "its key is too short to be safe; RSA needs 2048 bits",
    "CA_KEY_TOO_SMALL": "the key of an authority in its chain is too short to be safe; RSA needs 2048 bits",
    "CA_MD_TOO_WEAK": "a certificate in its chain is signed with an old hash function; SHA-256 is safe",
}
OUT_OF_DATE = {9: "is not valid yet", 10: "has expired"}  # by X509_V_ERR_… of OpenSSL


def tls_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the context of TLS 1.2 and newer, or None without a certificate. Raises `StartupError`.

    `certificate` is a PEM file with the chain, the service's own first. Without `key` it has the private key, too.
    """
    if certificate is None:
        if key is not None:
            raise StartupError("tls_key is of no use without tls_cert, the certificate that belongs to it")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, key or certificate):
        _check_readable(path)
    try:
        context.load_cert_chain(certificate, key, password=partial(_refuse_password, key or certificate))
    except ssl.SSLError as error:
        raise StartupError(f"cannot use tls_cert {certificate}{_and(key)}: {_reason(error)}") from error
    return context


def out_of_date(context: ssl.SSLContext, certificate: Path) -> str | None:
    """Return a warning if clients refuse the certificate because of its dates: a client in memory finds out."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # so the certificate itself is trusted
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(to_client, to_server), context.wrap_bio(to_server, to_client, server_side=True)
    try:
        client.load_verify_locations(certificate)
        for end in ends * 2:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLError as error:
        words = OUT_OF_DATE.get(getattr(error, "verify_code", 0))  # another error says nothing of the dates
        return words and f"tls_cert {certificate} {words}: clients that verify it refuse the service; renew it"
    return None


def unverified_context() -> ssl.SSLContext:
    """Return the context of a client that takes any certificate: a probe asks by address, and tells no secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _check_readable(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe could not be read again
            raise StartupError(f"cannot read {path} for TLS: it is not a regular file")
        path.open("rb").close()
    except OSError as error:
        raise StartupError(f"cannot read {path} for TLS: {error.strerror}") from error


def _refuse_password(path: Path) -> str:
    """Refuse: OpenSSL would ask for the password on the terminal."""
    reason = "its private key has a password; write one without, which only the service can read"
    raise StartupError(f"cannot use {path} for TLS: {reason}")


def _and(key: Path | None) -> str:
    return "" if key is None else f" with tls_key {key}"


def _reason(error: ssl.SSLError) -> str:
    """Return the reason in words: OpenSSL has few of its own."""
    return REASONS.get(error.reason, "not a PEM file with a certificate and its private key")
