from collections.abc import Callable

import pytest

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models.hopeless import LARGE_BODY, MOST_VALUES, check_columns, check_openings, check_values

BLANKS = b" " * (LARGE_BODY + 1)


def numbers(count: int) -> bytes:
    return b'{"instances":[[%s]]}' % b",".join([b"1"] * count)


def records(count: int) -> bytes:
    return b'{"instances":[%s]}' % b",".join([b'{"x1":1,"x2":2}'] * count)


@pytest.mark.parametrize(
    "check",
    [
        check_values,
        lambda body: check_openings(body, 100_000),
        lambda body: check_columns(body, "instances", 2, 2),
    ],
)
@pytest.mark.parametrize("body", [b"{}", numbers(MOST_VALUES), numbers(2) + BLANKS, records(100_000)])
def test_a_body_that_may_be_right_is_left_alone(check: Callable[[bytes], None], body: bytes) -> None:
    check(body)


def test_more_values_than_can_be_right_are_refused() -> None:
    unknown = b"{%s}" % b",".join([b'"k":1'] * (MOST_VALUES + 1))
    for body in (numbers(MOST_VALUES + 3), unknown):
        check_values(body[:1000])

        with pytest.raises(InvalidBody, match="Input should have at most 200000 values besides rows of numbers"):
            check_values(body + BLANKS)


def test_more_rows_than_one_request_may_have_are_refused() -> None:
    for body in (records(11), b"[[],%s" % b"[]," * 11):
        check_openings(body, 10)
        with pytest.raises(TooLarge, match="rows are more than the 10 that one request may have"):
            check_openings(body + BLANKS, 10)


def test_rows_of_another_width_are_refused() -> None:
    check_columns(b"{}", "instances", 3, 2)

    with pytest.raises(InvalidBody, match=r"instances\[0\]: Input should be 2 numbers, not 3"):
        check_columns(BLANKS, "instances", 3, 2)
