import ssl
import subprocess
from pathlib import Path

import pytest

from softmaxd.errors import StartupError
from softmaxd.tls import tls_context
from tests.support.edge import make_certificate


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
    command: list[str | Path] = [
        "openssl",
        "pkey",
        "-in",
        files[1],
        "-aes256",
        "-passout",
        "pass:secret",
        "-out",
        locked,
    ]
    subprocess.run(command, check=True)

    assert refusal(files[0], locked) == (
        "the private key has a password; write one without, which only the service can read"
    )
