import os
import ssl
from pathlib import Path

import pytest

from softmaxd.errors import StartupError
from softmaxd.tls import out_of_date, tls_context
from tests.support.edge import make_certificate, make_expired, openssl


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


def refusal(certificate: Path | None, key: Path | None) -> str:
    with pytest.raises(StartupError) as raised:
        tls_context(certificate, key)
    return str(raised.value)


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls_context(None, None) is None


def test_the_key_may_be_in_the_file_of_the_certificate(files: tuple[Path, Path], tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text("".join(file.read_text() for file in files))

    for context in (tls_context(*files), tls_context(both, None)):
        assert context is not None
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_key_without_a_certificate_is_refused(files: tuple[Path, Path]) -> None:
    assert refusal(None, files[1]) == "tls_key is of no use without tls_cert, the certificate that belongs to it"


def test_a_file_that_cannot_be_read_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for given in ((missing, None), (files[0], missing)):
        assert refusal(*given) == f"cannot read {missing} for TLS: No such file or directory"


def test_a_file_that_is_no_certificate_and_key_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    reason = "not a PEM file with a certificate and its private key"

    assert refusal(text, None) == f"cannot use tls_cert {text}: {reason}"
    assert refusal(files[0], None) == f"cannot use tls_cert {files[0]}: {reason}"
    assert refusal(files[0], text) == f"cannot use tls_cert {files[0]} with tls_key {text}: {reason}"


def test_the_key_of_another_certificate_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    _, other = make_certificate(tmp_path)

    reason = "the key does not belong to the certificate"
    assert refusal(files[0], other) == f"cannot use tls_cert {files[0]} with tls_key {other}: {reason}"


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(files: tuple[Path, Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", files[1], "-aes256", "-passout", "pass:secret", "-out", locked)

    reason = "its private key has a password; write one without, which only the service can read"
    assert refusal(files[0], locked) == f"cannot use {locked} for TLS: {reason}"


def test_a_file_that_could_not_be_read_again_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert refusal(path, files[1]) == f"cannot read {path} for TLS: it is not a regular file"


def test_a_key_that_is_too_short_is_refused_as_such(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", certificate)

    reason = "its key is too short to be safe; RSA needs 2048 bits"
    assert refusal(certificate, key) == f"cannot use tls_cert {certificate} with tls_key {key}: {reason}"


def test_a_certificate_that_has_expired_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    expired = make_expired(tmp_path, *files)

    assert warning(expired, files[1]) == (
        f"tls_cert {expired} has expired: clients that verify it refuse the service; renew it"
    )
    assert warning(*files) is None


def test_a_certificate_that_is_refused_for_another_reason_than_its_dates_is_none_of_its_concern(tmp_path: Path) -> None:
    assert warning(*make_certificate(tmp_path, "-addext", "extendedKeyUsage=clientAuth")) is None


def warning(certificate: Path, key: Path) -> str | None:
    context = tls_context(certificate, key)
    assert context is not None
    return out_of_date(context, certificate)
