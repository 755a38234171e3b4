import json
from typing import Any

import pytest

from softmaxd.client.errors import (
    Busy,
    ClientError,
    Forbidden,
    InvalidRequest,
    NotFound,
    Problem,
    ServiceFailed,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    moved,
    refusal,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, ServiceFailed),
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (413, TooLarge),
        (415, InvalidRequest),
        (422, InvalidRequest),
        (429, Busy),
        (500, ServiceFailed),
        (503, Unavailable),
        (504, TimedOut),
    ],
)
def test_each_kind_of_failure_has_an_exception(status: int, kind: type[ClientError]) -> None:
    error = refusal(status, b'{"detail": "a sentence"}')

    assert type(error) is kind
    assert (error.status, error.message, str(error), error.place) == (status, "a sentence", "a sentence", ())


def test_a_refusal_of_v2_has_its_sentence() -> None:
    assert refusal(400, b'{"error": "a sentence"}').message == "a sentence"


def test_the_problems_of_a_body_have_places() -> None:
    detail = [
        {"type": "float_type", "loc": ["instances", 0, "x1"], "msg": "Input should be a valid number"},
        {"type": "json_invalid", "loc": [], "msg": "Invalid JSON"},
    ]

    error = refusal(422, json.dumps({"detail": detail}).encode())

    assert str(error) == "instances[0].x1: Input should be a valid number; Invalid JSON"
    assert error.place == ("instances", 0, "x1")
    assert [problem.type for problem in error.problems] == ["float_type", "json_invalid"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"detail": [1]}', b'{"detail": [{}]}', b"7"])
def test_another_program_that_refuses_is_told_by_its_status(body: bytes) -> None:
    error = refusal(502, body)

    assert isinstance(error, ServiceFailed)
    assert str(error) == "The service answered with status 502"


@pytest.mark.parametrize(
    ("message", "rows"),
    [
        ("11 rows are more than the 10 that one request may have", 10),
        ("The answer to 9 rows would have more; the most rows of this request that fit: 2", 2),
        ("The answer to 9 rows would have more; the most rows of this request that fit: 0", 0),
        ("The body is larger than 8388608 bytes", None),
    ],
)
def test_the_rows_that_fit_are_known_where_the_service_says_them(message: str, rows: int | None) -> None:
    assert TooLarge(message).rows == rows


def test_an_error_of_a_part_is_placed_in_the_whole() -> None:
    problems = [Problem("float_type", ("instances", 3, 0), "a number"), Problem("missing", ("top_k",), "needed")]

    error = moved(InvalidRequest("", status=422, problems=problems), 100)

    assert str(error) == "instances[103][0]: a number; top_k: needed"
    assert (type(error), error.status, error.place) == (InvalidRequest, 422, ("instances", 103, 0))


@pytest.mark.parametrize(("place", "rows"), [(("instances", 3), 0), (("instances",), 100), (("include", 0), 100)])
def test_an_error_of_no_later_row_stays(place: Any, rows: int) -> None:
    error = InvalidRequest("", problems=[Problem("", place, "")])

    assert moved(error, rows) is error
