"""Refuses large bodies that cannot be right, before millions of Python objects are made of them.

Bytes are counted instead. A body that gets here was not read by the fast reader, so its rows are records by feature
name, or something is wrong with it.
"""

from softmaxd.errors import TooLarge
from softmaxd.models.datatypes import invalid

LARGE_BODY = 2**20  # bytes; of a smaller body, the schema finds the very place of a problem
MOST_VALUES = 200_000  # that are not in records: each takes up to 80 bytes while the schema reads it
MOST_FIELDS = 50_000  # of a record


def check_columns(body: bytes, field: str, columns: int, expected: int) -> None:
    """Refuse the rows of a large body if they have not as many columns as the model has features."""
    if len(body) > LARGE_BODY and columns != expected:
        raise invalid("row_length", [field, 0], f"Input should be {expected} numbers, not {columns}")


def check_values(body: bytes) -> None:
    """Refuse a large body of more values than can be right, unless they are in records.

    The fast reader takes the numbers of rows out before, if all rows have the same length.
    """
    if len(body) <= LARGE_BODY:
        return
    fields = body.count(b":")
    values = max(body.count(b",") - fields, fields if fields > MOST_FIELDS * body.count(b"{") else 0)
    if values > MOST_VALUES:
        message = (
            f"Input should have at most {MOST_VALUES} values besides rows of numbers of the same length, not {values}; "
            "perhaps one row or number is wrong"
        )
        raise invalid("too_many_values", [], message)


def check_openings(body: bytes, max_rows: int) -> None:
    """Refuse a large body of more lists or records than the rows that one request may have."""
    if len(body) > LARGE_BODY:
        rows = max(body.count(b"{"), body.count(b"[")) - 1  # the object around records, the list around rows
        if rows > max_rows:
            raise TooLarge(f"{rows} rows are more than the {max_rows} that one request may have")
