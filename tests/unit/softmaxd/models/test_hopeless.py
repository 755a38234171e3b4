from collections.abc import Callable

import pytest

from softmaxd.errors import InvalidBody, TooLarge
from softmaxd.models.hopeless import MIB, MOST_TEXT, MOST_VALUES, check_columns, check_openings, check_values

BLANKS = b" " * (MIB + 1)


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
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        numbers(MOST_VALUES),
        numbers(2) + BLANKS,
        b'{"a":["%s",{"b":"c"},1]}' % (b"a" * MOST_TEXT) + BLANKS,
        b"[" + BLANKS,
    ],
    ids=["empty", "numbers", "blanks", "texts", "no JSON"],
)
def test_a_body_that_may_be_right_is_left_alone(check: Callable[[bytes], None], body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    "body", [numbers(MOST_VALUES + 1), b"{%s}" % b",".join([b'"k":1'] * (MOST_VALUES + 1)), records(MOST_VALUES)]
)
def test_more_values_than_can_be_right_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidBody, match="Input should have at most 50000 values besides rows of the same length"):
        check_values(body + BLANKS)


@pytest.mark.parametrize("body", [b'{"a":["%s"]}', b'{"%s":1}', b'[[{"a":"%s"}]]'], ids=["value", "name", "deep"])
@pytest.mark.parametrize("escaped", [b"a", b"\\u00e9"], ids=["plain", "escaped"])
def test_a_text_that_cannot_be_right_is_refused(body: bytes, escaped: bytes) -> None:
    check_values(body % (escaped * MOST_TEXT) + BLANKS)

    with pytest.raises(InvalidBody, match="Input should have no text or name of more than 65536 characters"):
        check_values(body % (escaped * (MOST_TEXT + 1)) + BLANKS)


def test_more_rows_than_one_request_may_have_are_refused() -> None:
    body = b'{"rows":[%s[]]}' % (b"[]," * 10)
    check_openings(body, 10)

    with pytest.raises(TooLarge, match="11 rows are more than the 10 that one request may have"):
        check_openings(body + BLANKS, 10)


def test_rows_of_another_width_are_refused() -> None:
    check_columns(b"{}", "instances", 3, 2)

    with pytest.raises(InvalidBody, match=r"instances\[0\]: Input should be 2 numbers, not 3"):
        check_columns(BLANKS, "instances", 3, 2)
