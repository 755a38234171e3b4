"""A reader of large bodies of records (rows by feature name), piece by piece.

The schema makes Python objects of all it reads, which take up to 20 times the bytes of a body. So it reads the body
with some of the records at a time, and only their features are kept.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

import numpy as np

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.large_json import read_without
from softmaxd.models.outputs import Features

PIECE = 64 * 1024  # bytes of records that are read at a time; more if the rest of the body is larger
BETWEEN = re.compile(rb"\}\s*,\s*(?=\{)")  # two records
POSITION = re.compile(r"line (\d+) column (\d+)$")  # at the end of a message about malformed JSON

T = TypeVar("T")


def read_records(
    read: Callable[[bytes], tuple[Features, T]],
    read_rest: Callable[[bytes], object],
    field: str,
    body: bytes,
    names: Collection[str],
    check: Callable[[int], None],
) -> tuple[Features, T] | None:
    """Return the features [rows, features] of a field's records, and the request; None means that there are not many.

    `read` takes the body with some of the records, and `read_rest` with none. `check` takes the rows, and may raise.
    Raises `InvalidBody` as `read` does, with the place in the whole body.
    """
    key = f'"{field}"'.encode()
    found = len(body) > PIECE and re.search(rb"%s\s*:\s*\[\s*(?=\{)" % key, body)
    if not found or any(BETWEEN.search(name.encode()) for name in names):
        return None
    start = found.end()
    before = body[: body.find(b"[", found.start())]
    for stop in _ends(body, start):
        if read_without(read_rest, field, key, before + b"[]" + body[stop + 1 :]) is not None:
            check(body.count(b"{", start, stop) // (1 + "".join(names).count("{")))
            return _read_pieces(read, field, body, start, stop)
    return None


def _ends(body: bytes, start: int) -> Iterator[int]:
    """Yield the brackets that may end the records: the next after the last record, or, if that is wrong, the last."""
    last_record = body.rfind(b"}", start, body.rfind(b"}"))
    for end in (body.find(b"]", last_record), body.rfind(b"]")):
        if end > start:
            yield end


def _read_pieces(
    read: Callable[[bytes], tuple[Features, T]], field: str, body: bytes, start: int, stop: int
) -> tuple[Features, T]:
    """Return the features of the records from `start` to `stop`, and the last piece's request."""
    head, tail = body[:start], body[stop:]
    parts: list[Features] = []
    rows = 0
    for begin, end in _spans(body, start, stop, max(PIECE, len(head) + len(tail))):
        text = head + body[begin:end] + tail
        try:
            features, request = read(text)
        except InvalidBody as error:
            raise InvalidBody(
                *(
                    Problem(
                        type=problem["type"],
                        loc=_row_in_body(problem["loc"], rows),
                        msg=_position_in_body(problem["msg"], text, body, start, begin - start),
                    )
                    for problem in error.problems
                )
            ) from error
        parts.append(features)
        rows += len(features)
    return np.concatenate(parts), request


def _spans(body: bytes, start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the begins and ends of pieces of about `size` bytes, each of one record or more."""
    while start < stop:
        between = BETWEEN.search(body, start + size, stop)
        yield start, between.start() + 1 if between else stop
        start = between.end() if between else stop


def _row_in_body(loc: Sequence[str | int], rows: int) -> list[str | int]:
    """Return the place of a problem in the whole body, where `rows` come before the piece: the first index moves."""
    return [part + rows if index == 1 and isinstance(part, int) else part for index, part in enumerate(loc)]


def _position_in_body(message: str, text: bytes, body: bytes, start: int, missing: int) -> str:
    """Return a message with its position in the whole body, of which the text misses some bytes from `start` on."""
    found = POSITION.search(message)
    if found is None:
        return message
    line, column = map(int, found.groups())
    index = len(text) - len(text.split(b"\n", line - 1)[-1]) + column
    index += missing if index > start else 0
    begin = body.rfind(b"\n", 0, index) + 1
    lines = body.count(b"\n", 0, index) + 1
    return f"{message[: found.start()]}line {lines} column {index - begin}"
