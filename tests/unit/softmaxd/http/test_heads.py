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


START, FIELDS = b"POST /predict HTTP/1.1", [b"Host: x", b"Content-Length: 3", b"X-Id: 1"]
ID, OTHER_ID = b"X-Request-ID: a", b"x-request-id:b~"
PARENT = b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def with_lines(*lines: bytes, place: int = 1) -> bytes:
    """Return the bytes of a head with more lines at this place."""
    return b"\r\n".join([START, *FIELDS[:place], *lines, *FIELDS[place:], b"", b""])


def remember_with(heads: PlainHeads, *lines: bytes) -> None:
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in (*FIELDS, *lines))]
    found = heads.find(b"/predict", headers)
    assert found is not None
    head = with_lines(*lines)
    heads.remember(head, found, len(head) - len(b"POST  HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize("first", [[], [ID], [PARENT], [ID, PARENT]], ids=["none", "id", "trace", "both"])
@pytest.mark.parametrize("place", range(len(FIELDS) + 1))
def test_a_head_is_known_whichever_ids_it_has(heads: PlainHeads, first: list[bytes], place: int) -> None:
    remember_with(heads, *first)

    assert list(heads.known) == [with_lines()]
    known, ids, end = heads.find_known(with_lines(OTHER_ID, place=place) + b"{}\r\n\r\n")
    assert known is heads.known[with_lines()]
    assert end == len(with_lines(OTHER_ID))
    assert known.headers == [(b"host", b"x"), (b"content-length", b"3"), (b"x-id", b"1")]
    assert (known.ids, ids) == (None, ((b"x-request-id", b"b~"),))
    _, ids, _ = heads.find_known(with_lines(OTHER_ID, PARENT, place=place))
    assert ids is not None
    assert [name for name, _ in ids] == [b"x-request-id", b"traceparent"]


@pytest.mark.parametrize(
    "lines",
    [
        [b"X-Request-ID:  a"],
        [b"X-Request-ID: a b"],
        [b"X-Request-ID: a "],
        [b"X-Request-ID:"],
        [b"X-Request-IDs: a"],
    ],
    ids=["blanks before", "a blank within", "a blank behind", "empty", "another name"],
)
def test_a_head_with_an_unusual_id_is_parsed(heads: PlainHeads, lines: list[bytes]) -> None:
    remember_with(heads, ID)

    assert heads.find_known(with_lines(*lines)) == (None, None, len(with_lines(*lines)))
    assert heads.find_known(with_lines()) == (heads.known[with_lines()], None, len(with_lines()))


@pytest.mark.parametrize("place", range(len(FIELDS) + 1))
def test_the_next_head_with_an_id_in_the_same_place_is_known_too(heads: PlainHeads, place: int) -> None:
    remember_with(heads, ID)
    known = heads.known[with_lines()]
    for value in (b"a", b"b", b"~" * 128, b"!"):
        head = with_lines(b"X-Request-ID: " + value, place=place)
        assert heads.find_known(head + b"{}\r\n\r\n") == (known, ((b"x-request-id", value),), len(head))
    for line in (b"X-Request-ID: ", b"X-Request-ID: a b", b"X-Request-ID: \x7f", b"X-Request-ID: a\r\nx: 1"):
        assert heads.find_known(with_lines(line, place=place))[:2] == (None, None)
    long = heads.find_known(with_lines(b"X-Request-ID: " + b"a" * 129, place=place))
    assert long[0] is known
    assert long[1] is not None
    assert long[1][0][1] != b"a" * 129
    assert heads.find_known(with_lines(b"X-Request-ID: a", place=place)[:-1])[:2] == (None, None)
    heads.known.clear()
    assert heads.find_known(with_lines(b"X-Request-ID: a", place=place))[:2] == (None, None)


def test_an_id_that_is_repeated_or_long_is_replaced(heads: PlainHeads) -> None:
    remember_with(heads, ID)

    for lines in ([ID, ID], [b"X-Request-ID: " + b"a" * 129]):
        known, ids, _ = heads.find_known(with_lines(*lines))

        assert known is not None
        assert ids is not None
        assert len(ids) == 1
        assert ids[0][1] not in {b"a", b"a" * 129}


def test_a_folded_line_behind_an_id_is_no_part_of_a_known_head(heads: PlainHeads) -> None:
    remember_with(heads, ID)

    assert heads.find_known(with_lines(ID, b" folded"))[:2] == (None, None)


def test_the_rest_of_a_head_is_not_known_if_its_ids_are_unusual_or_requests_are_traced(heads: PlainHeads) -> None:
    remember_with(heads, b"X-Request-ID:  a")
    assert not heads.known
    remember_with(heads, ID)
    heads.knows_rest = False

    assert heads.find_known(with_lines(ID))[:2] == (None, None)
    heads.known.clear()
    remember_with(heads, ID)
    assert not heads.known


def test_a_long_head_is_parsed(heads: PlainHeads) -> None:
    remember_with(heads)

    assert heads.find_known(with_lines(b"X-Request-ID: " + b"a" * 2 * MAX_KNOWN_BYTES))[:2] == (None, None)
