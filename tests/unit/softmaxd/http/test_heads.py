from collections.abc import Callable

import pytest

from softmaxd.access import Access, Key, hash_of
from softmaxd.errors import UnsupportedMediaType
from softmaxd.http.heads import MAX_KNOWN_BYTES, MAX_KNOWN_HEADS, PlainHeads
from softmaxd.http.operation import Headers
from softmaxd.settings import Settings
from tests.support.operations import Echo


class Picky(Echo):
    """Refuses every body by its headers."""

    def check(self, headers: Headers) -> None:
        raise UnsupportedMediaType("no")


@pytest.fixture
def heads() -> PlainHeads:
    operations = [Echo("/predict"), Echo("/models/{name}/predict"), Picky("/refused")]
    settings = Settings(max_body_bytes=1000, root_path="/ml", allowed_hosts=("x", "[::1]:80"))
    return PlainHeads(operations, settings, Access({}, is_open=True))


def head_of(number: int) -> tuple[bytes, int]:
    """Return the bytes of a head, and how many of them are its target and headers."""
    fields = b"Host: x\r\nContent-Length: 3\r\nX-Id: %d\r\n" % number
    return b"POST /predict HTTP/1.1\r\n%s\r\n" % fields, len(b"/predict") + len(fields)


def remember(heads: PlainHeads, head: bytes, parsed_bytes: int) -> None:
    headers = [(b"host", b"x"), (b"content-length", b"3"), (b"x-id", b"1")]
    found = heads.find(b"/predict", headers)
    assert found is not None
    heads.remember(head, found, parsed_bytes)


def test_heads_are_remembered_up_to_a_limit(heads: PlainHeads) -> None:
    for number in range(MAX_KNOWN_HEADS):
        remember(heads, *head_of(number))
    full = len(heads.known)
    head, size = head_of(MAX_KNOWN_HEADS)
    remember(heads, head, size)
    long = head.replace(b"X-Id: ", b"X-Id: " + b"0" * MAX_KNOWN_BYTES)
    remember(heads, long, size + MAX_KNOWN_BYTES)

    assert full == MAX_KNOWN_HEADS
    assert set(heads.known) == {head}


@pytest.mark.parametrize(
    "other",
    [
        lambda head: head[1:],
        lambda head: b"\r\n" + head,
        lambda head: head.replace(b"X-Id: ", b"X-Id:\n"),
    ],
    ids=["a part of it", "more than it", "a line more"],
)
def test_bytes_that_are_not_just_the_head_are_not_remembered(
    heads: PlainHeads, other: Callable[[bytes], bytes]
) -> None:
    head, size = head_of(1)

    remember(heads, other(head), size)

    assert not heads.known


def test_a_change_of_the_keys_forgets_all_heads_in_the_dict_that_connections_hold() -> None:
    access = Access({hash_of(b"k"): Key()}, is_open=False)
    heads = PlainHeads([Echo("/predict")], Settings(), access)
    known, headers = heads.known, [(b"host", b"x"), (b"content-length", b"3"), (b"x-api-key", b"k")]
    found = heads.find(b"/predict", headers)
    assert found is not None
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nX-API-Key: k\r\n\r\n"
    heads.remember(head, found, len(head) - len(b"POST  HTTP/1.1\r\n\r\n"))
    before = set(known)

    access.replace({})

    assert (before, known) == ({head}, {})
    assert heads.find(b"/predict", headers) is None


HOST = (b"host", b"x")
PLAIN = [(b"host", b"x:8000"), (b"content-length", b"3"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("target", "headers", "is_plain"),
    [
        (b"/predict", PLAIN, True),
        (b"/models/m/predict", PLAIN, True),
        (b"/ml/models/m/predict", PLAIN, True),
        (b"/nope", PLAIN, False),
        (b"/predict", [HOST], False),
        (b"/predict", [HOST, (b"content-length", b"100000000000")], False),
        (b"/predict", [HOST, (b"content-length", b"3 ")], True),
        (b"/predict", [HOST, (b"content-length", b"0" * 5000 + b"3")], False),
        (b"/predict", [*PLAIN, (b"transfer-encoding", b"chunked")], False),
        (b"/predict", [*PLAIN, (b"expect", b"100-continue")], False),
        (b"/predict", [*PLAIN, (b"content-type", b"text/plain")], True),
        (b"/predict", [*PLAIN, (b"origin", b"http://x:8000")], False),
        (b"/predict", PLAIN[1:], False),
        (b"/predict", [(b"host", b"evil.test"), *PLAIN[1:]], False),
        (b"/predict", [(b"host", b"[::1]:80"), *PLAIN[1:]], True),
        (b"/refused", PLAIN, False),
    ],
)
def test_only_plain_heads_are_found(
    heads: PlainHeads, target: bytes, headers: list[tuple[bytes, bytes]], is_plain: bool
) -> None:
    found = heads.find(target, headers)

    assert (found is not None) == is_plain
    assert found is None or (found.headers, found.body_bytes) == (headers, 3)
