"""Refuses large bodies that cannot be right, before millions of Python objects are made of them.

Bytes are counted instead. A body that gets here was read neither by the fast reader nor as records, so something is
wrong with it.
"""

from pydantic_core import from_json

from softmaxd.errors import TooLarge
from softmaxd.models.datatypes import invalid

MIB = 2**20  # bytes; of a smaller body, the schema finds the very place of a problem
MOST_VALUES = 50_000  # each takes up to 80 bytes while the schema reads it
MOST_TEXT = 64 * 1024  # characters: an error of the schema holds a text up to four times


def check_rows(rows: int, max_rows: int) -> None:
    """Refuse more rows than one request may have."""
    if rows > max_rows:
        raise TooLarge(f"{rows} rows are more than the {max_rows} that one request may have")


def check_columns(body: bytes, field: str, columns: int, expected: int) -> None:
    """Refuse the rows of a large body if they have not as many columns as the model has features."""
    if len(body) > MIB and columns != expected:
        raise invalid("row_length", [field, 0], f"Input should be {expected} numbers, not {columns}")


def check_values(body: bytes) -> None:
    """Refuse more values than can be right, besides rows that other readers have taken out, and too long texts."""
    values = body.count(b",") + 1
    if values > MOST_VALUES:
        message = (
            f"Input should have at most {MOST_VALUES} values besides rows of the same length, not {values}; "
            "perhaps one row or number is wrong"
        )
        raise invalid("too_many_values", [], message)
    if _longest_text(body) > MOST_TEXT:
        raise invalid("string_too_long", [], f"Input should have no text or name of more than {MOST_TEXT} characters")


def _longest_text(body: bytes) -> int:
    """Return the characters of the longest text or name in JSON; 0 if it is no JSON."""
    longest = 0
    try:
        values = [from_json(body, cache_strings=False)]
    except ValueError:
        return longest
    while values:
        value = values.pop()
        if isinstance(value, str):
            longest = max(longest, len(value))
        elif isinstance(value, dict):
            values.extend((*value, *value.values()))
        elif isinstance(value, list):
            values.extend(value)
    return longest


def check_openings(body: bytes, max_rows: int) -> None:
    """Refuse a large body of more lists than the rows that one request may have."""
    if len(body) > MIB:
        check_rows(body.count(b"[") - 1, max_rows)  # without the list around them
