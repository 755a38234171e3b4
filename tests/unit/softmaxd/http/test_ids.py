import re

import pytest

from softmaxd.http.ids import describe, ids_of, new_ids

MADE = re.compile(rb"[0-9a-f]{16}-[0-9a-f]+")
TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
PARENT = b"00-%s-%s-01" % (TRACE, SPAN)


def request_id(*values: bytes) -> bytes:
    """Return the request id of a request with these headers `X-Request-ID`."""
    ((name, value),) = ids_of([(b"host", b"x"), *((b"x-request-id", each) for each in values)])
    assert name == b"x-request-id"
    return value


def traceparent(*values: bytes) -> bytes | None:
    """Return the `traceparent` of the answer to a request with these."""
    return dict(ids_of([(b"traceparent", each) for each in values])).get(b"traceparent")


def test_made_ids_differ_and_begin_alike_in_a_process() -> None:
    first, second = (dict(new_ids())[b"x-request-id"] for _ in range(2))

    assert MADE.fullmatch(first)
    assert first != second
    assert first[:17] == second[:17]


@pytest.mark.parametrize("value", [b"7", b"!", b"~" * 128, b"0f8fad5b-d9cb-469f-a165-70867728950e", b'{"a":1}'])
def test_a_sane_id_is_taken_over(value: bytes) -> None:
    assert request_id(value) == value


@pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", b"\xc3\xa9", b"\x7f", b"\x01", b"~" * 129, b"a\n"])
def test_any_other_id_is_replaced(value: bytes) -> None:
    assert MADE.fullmatch(request_id(value))


def test_of_two_ids_none_is_taken() -> None:
    assert MADE.fullmatch(request_id(b"a", b"a"))


def test_a_trace_goes_on_with_a_span_of_its_own() -> None:
    first, second = traceparent(PARENT), traceparent(PARENT)

    assert first is not None
    assert second is not None
    assert re.fullmatch(rb"00-%s-[0-9a-f]{16}-01" % TRACE, first)
    assert len({SPAN, first[36:52], second[36:52], b"0" * 16}) == 4


@pytest.mark.parametrize(("flags", "kept"), [(b"00", b"00"), (b"01", b"01"), (b"03", b"03"), (b"ff", b"03")])
def test_the_flags_that_are_known_go_on(flags: bytes, kept: bytes) -> None:
    found = traceparent(PARENT[:-2] + flags)

    assert found is not None
    assert found.endswith(b"-" + kept)


@pytest.mark.parametrize("version", [b"01-", b"cc-"])
@pytest.mark.parametrize("more", [b"", b"-", b"-and-more"])
def test_a_later_version_goes_on_as_the_one_that_is_known(version: bytes, more: bytes) -> None:
    found = traceparent(version + PARENT[3:] + more)

    assert found is not None
    assert found.startswith(b"00-%s-" % TRACE)
    assert len(found) == len(PARENT)


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [PARENT, PARENT],
        [PARENT.upper()],
        [PARENT[:-1]],
        [PARENT + b"-more"],
        [PARENT + b"0"],
        [b"ff" + PARENT[2:]],
        [b"cc" + PARENT[2:] + b"0"],
        [PARENT.replace(TRACE, b"0" * 32)],
        [PARENT.replace(SPAN, b"0" * 16)],
    ],
    ids=repr,
)
def test_a_malformed_parent_counts_as_absent(parents: list[bytes]) -> None:
    assert traceparent(*parents) is None


def test_a_log_line_has_the_ids_apart() -> None:
    ids = ids_of([(b"x-request-id", b"7"), (b"traceparent", PARENT)])

    assert describe(()) == {}
    assert describe(ids[:1]) == {"request_id": "7"}
    assert describe(ids) == {"request_id": "7", "trace_id": TRACE.decode(), "span_id": ids[1][1][36:52].decode()}
