"""A reader of large bodies of records (rows by feature name) or of rows of tables, piece by piece.

The schema makes Python objects of all it reads, which take up to 20 times the bytes of a body. So it reads the body
with some of the rows at a time, and only their features are kept.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from pydantic_core import from_json

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.large_json import read_without
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features

PIECE = 64 * 1024  # bytes of rows that are read at a time; more if the rest of the body is larger
BETWEEN = {b"{": re.compile(rb"\}\s*,\s*(?=\{)"), b"[": re.compile(rb"\]\s*,\s*(?=\[)")}  # two rows, by the first byte
NEXT_FIELD = re.compile(rb'\]\s*,\s*"')  # the end of the rows and another field, or the end of a list in a row
ESCAPE = re.compile(rb"\\.", re.DOTALL)
REST_OF_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)  # possessive: else it keeps every step in memory
POSITION = re.compile(r"line (\d+) column (\d+)$")  # at the end of a message about malformed JSON
MOST_ENDS = 8  # places that may be the end of the rows
MOST_BRACKETS = 1000  # that are looked at to find these
MOST_IN_TEXTS = 1000  # places in texts that look like the end of a row
MOST_BLANKS = 4096  # before the bracket that ends the rows

T = TypeVar("T")


def read_records(
    read: Callable[[bytes], tuple[Features, T]],
    read_rest: Callable[[bytes], object],
    field: str,
    body: bytes,
    manifest: Manifest,
    check: Callable[[int], None],
) -> tuple[Features, T] | None:
    """Return the features of a field's rows, and the request; None means that there are not many.

    `read` takes the body with some of the rows, and `read_rest` with none. `check` takes a number of rows, and may
    raise. Raises `InvalidBody` as `read` does, with the place in the whole body.
    """
    key = f'"{field}"'.encode()
    opening = rb"[\[{]" if manifest.tensors else rb"\{"
    found = len(body) > PIECE and re.search(rb"%s\s*:\s*\[\s*(?=%s)" % (key, opening), body)
    if not found:
        return None
    start = found.end()
    before = body[: body.find(b"[", found.start())]
    for stop in _ends(body, start):
        if read_without(read_rest, field, key, before + b"[]" + body[stop + 1 :]) is not None:
            if not manifest.tensors:  # texts may have brackets
                braces = 1 + sum(feature.name.count("{") for feature in manifest.features)
                check(body.count(b"{", start, stop) // braces)
            return _read_pieces(read, field, body, start, stop, check)
    return None


def _ends(body: bytes, start: int) -> Iterator[int]:
    """Yield the brackets that may end the rows, the last first: each follows the end of a row."""
    ends = 0
    stop = len(body)
    for _ in range(MOST_BRACKETS):
        stop = body.rfind(b"]", start, stop)
        if stop < 0 or ends == MOST_ENDS:
            return
        if body[max(start, stop - MOST_BLANKS) : stop].rstrip()[-1:] in {b"}", b"]"}:
            ends += 1
            yield stop


def _read_pieces(
    read: Callable[[bytes], tuple[Features, T]],
    field: str,
    body: bytes,
    start: int,
    stop: int,
    check: Callable[[int], None],
) -> tuple[Features, T]:
    """Return the features of the rows from `start` to `stop`, and the last piece's request."""
    head, tail = body[:start], body[stop:]
    parts: list[Features] = []
    rows = 0
    for begin, end in _spans(body, start, stop, max(PIECE, len(head) + len(tail))):
        text = head + body[begin:end] + tail
        try:
            features, request = read(text)
        except InvalidBody as error:
            if _is_cut_off(error, text, len(head) + end - begin) or (
                error.problems[0]["loc"] and _ends_early(body[begin:end])
            ):
                return read(body)
            raise InvalidBody(
                *(
                    Problem(
                        type=problem["type"],
                        loc=_row_in_body(problem["loc"], rows),
                        msg=_position_in_body(problem, text, body, start, begin - start),
                    )
                    for problem in error.problems
                )
            ) from error
        if _ends_early(body[begin:end]):
            return read(body)
        parts.append(features)
        rows += len(features)
        check(rows)
    return np.concatenate(parts), request


def _spans(body: bytes, start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield the begins and ends of pieces of about `size` bytes, each of one row or more."""
    between = BETWEEN[body[start : start + 1]]
    while start < stop:
        found = _outside_texts(between, body, start, min(start + size, stop), stop)
        yield start, found.start() + 1 if found else stop
        start = found.end() if found else stop


def _outside_texts(
    pattern: re.Pattern[bytes], body: bytes, start: int, begin: int, stop: int
) -> re.Match[bytes] | None:
    """Return the first match from `begin` on that is not in a text; `start` is in none. None if many are in texts."""
    for _ in range(MOST_IN_TEXTS):
        found = pattern.search(body, begin, stop)
        if found is None or ESCAPE.sub(b"", body[start : found.start()]).count(b'"') % 2 == 0:
            return found
        text = REST_OF_TEXT.match(body, found.start(), stop)
        start = begin = text.end() if text else stop
    return None


def _row_in_body(loc: Sequence[str | int], rows: int) -> list[str | int]:
    """Return the place of a problem in the whole body, where `rows` come before the piece: the first index moves."""
    return [part + rows if index == 1 and isinstance(part, int) else part for index, part in enumerate(loc)]


def _ends_early(piece: bytes) -> bool:
    """Return True if the rows end within a piece, and another field follows, which may have rows, too."""
    if NEXT_FIELD.search(piece) is None:
        return False
    try:
        from_json(b"[%s]" % piece)
    except ValueError as error:
        return "trailing characters" in str(error)
    return False


def _is_cut_off(error: InvalidBody, text: bytes, end: int) -> bool:
    """Return True if the JSON of a piece is malformed only where its rows end: a row has a list or an object."""
    found = _position_of(error.problems[0])
    return found is not None and _index(found, text) > end


def _position_of(problem: Problem) -> re.Match[str] | None:
    """Return the place that the message about malformed JSON names; other messages may have names of features."""
    return POSITION.search(problem["msg"]) if problem["type"] == "json_invalid" else None


def _index(found: re.Match[str], text: bytes) -> int:
    """Return the index after the place that a message names by line and column."""
    line, column = map(int, found.groups())
    return len(text) - len(text.split(b"\n", line - 1)[-1]) + column


def _position_in_body(problem: Problem, text: bytes, body: bytes, start: int, missing: int) -> str:
    """Return a message with its position in the whole body, of which the text misses some bytes from `start` on."""
    message, found = problem["msg"], _position_of(problem)
    if found is None:
        return message
    index = _index(found, text)
    index += missing if index > start else 0
    begin = body.rfind(b"\n", 0, index) + 1
    lines = body.count(b"\n", 0, index) + 1
    return f"{message[: found.start()]}line {lines} column {index - begin}"
