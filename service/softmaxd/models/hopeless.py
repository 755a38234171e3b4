"""Refuses large bodies that cannot be right, before millions of Python objects are made of them.

Bytes are counted instead. A body that gets here was not read by the fast reader, so its rows are records by feature
name, or something is wrong with it.
"""

from softmaxd.errors import TooLarge
from softmaxd.models.datatypes import invalid

LARGE_BODY = 2**20  # bytes; of a smaller body, the schema finds the very place of a problem
MOST_VALUES = 200_000  # outside of records: each takes up to 80 bytes while the schema reads it


def check_columns(body: bytes, field: str, columns: int, expected: int) -> None:
    """Refuse the rows of a large body if they have not as many columns as the model has features."""
    if len(body) > LARGE_BODY and columns != expected:
        raise invalid("row_length", [field, 0], f"Input should be {expected} numbers, not {columns}")


def check_values(body: bytes, field: str, expected: str) -> None:
    """Refuse a large body of more values than can be right, if they are not in records."""
    if len(body) > LARGE_BODY and body.count(b",") - body.count(b":") > MOST_VALUES:
        raise invalid("row_length", [field], f"Input should be {expected}, which at least one part of it is not")


def check_openings(body: bytes, max_rows: int) -> None:
    """Refuse a large body of more lists or records than the rows that one request may have."""
    if len(body) > LARGE_BODY:
        rows = max(body.count(b"{"), body.count(b"[")) - 1  # the object around records, the list around rows
        if rows > max_rows:
            raise TooLarge(f"{rows} rows are more than the {max_rows} that one request may have")
