"""The certificate of the service, for those without a proxy in front of it."""

import ssl
from pathlib import Path

from softmaxd.errors import StartupError

NO_PASSWORD = "the private key has a password; write one without, which only the service can read"  # noqa: S105 - a message


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
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise StartupError(f"cannot use tls_cert {certificate}{_and(key)}: {_reason(error)}") from error
    return context


def unverified_context() -> ssl.SSLContext:
    """Return the context of a client that takes any certificate: a probe asks by address, and tells no secret."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise StartupError(f"cannot read {path} for TLS: {error.strerror}") from error


def _refuse_password() -> str:
    raise StartupError(NO_PASSWORD)  # OpenSSL would ask for it on the terminal


def _and(key: Path | None) -> str:
    return "" if key is None else f" with tls_key {key}"


def _reason(error: ssl.SSLError) -> str:
    """Return the reason in words: OpenSSL has few of its own."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    return "not a PEM file with a certificate and its private key"
