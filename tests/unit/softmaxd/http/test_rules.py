import pytest

from softmaxd.errors import NotHttp, UnknownTransferCoding, UnsupportedVersion
from softmaxd.http.rules import check_head, content_length

HOST = (b"host", b"example.com:8000")


def test_a_usual_head_is_right() -> None:
    check_head("1.1", [HOST])
    check_head("1.1", [HOST, (b"transfer-encoding", b" Chunked ")])
    check_head("1.0", [])


@pytest.mark.parametrize(
    ("version", "headers", "error"),
    [
        ("2.0", [HOST], UnsupportedVersion),
        ("0.9", [], UnsupportedVersion),
        ("1.1", [], NotHttp),
        ("1.1", [HOST, HOST], NotHttp),
        ("1.0", [HOST, HOST], NotHttp),
        ("1.1", [(b"host", b"a b")], NotHttp),
        ("1.1", [(b"host", b"x\n")], NotHttp),
        ("1.1", [HOST, (b"transfer-encoding", b"gzip")], UnknownTransferCoding),
        ("1.1", [HOST, (b"transfer-encoding", b"gzip, chunked")], UnknownTransferCoding),
        ("1.1", [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], UnknownTransferCoding),
    ],
)
def test_a_wrong_head_is_refused(version: str, headers: list[tuple[bytes, bytes]], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_head(version, headers)


def test_the_length_of_a_body() -> None:
    assert content_length([HOST]) == 0
    assert content_length([HOST, (b"content-length", b"012")]) == 12
    assert content_length([(b"transfer-encoding", b"chunked")]) is None
