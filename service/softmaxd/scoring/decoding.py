"""Rows of a table → the job of a request with the same rows, by the decode of `/predict`."""

import math
import re
from collections.abc import Iterator, Sequence

import orjson

from softmaxd.errors import InvalidBody, Refused
from softmaxd.models.manifest import Manifest
from softmaxd.protocols.native.codec import PredictJob, decode_predict
from softmaxd.scoring.table import Rows

PLAIN = b"0123456789+-.eE,"  # no other bytes are in rows of plain numbers
JSON_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOST_DIGITS = 1000  # of a number


def decode_rows(found: Rows, manifest: Manifest, options: bytes) -> PredictJob:
    """Return the job of these rows, whose cells are in the order of the features.

    `options` has the other fields of the request as JSON, each after a comma. Raises `Refused` with the line.
    """
    rows = found.texts()
    numbers = b",".join(rows)
    is_plain = not numbers.translate(None, PLAIN) and numbers.count(b",") == len(rows) * len(manifest.features) - 1
    if is_plain:
        try:
            return _decode(rows, manifest, options)
        except InvalidBody:  # such as 007, which JSON does not have, or a mistake that is told below
            pass
    texts = [b",".join(map(as_json, cells)) for cells in found.cells()]
    try:
        return _decode(texts, manifest, options)
    except InvalidBody as error:
        alone = _mistakes(found, texts, manifest, options)
        line, mistake = next(alone, (found.lines[0], error))
        raise Refused(_sentence(mistake, line, manifest)) from error


def _decode(rows: Sequence[bytes], manifest: Manifest, options: bytes) -> PredictJob:
    body = b'{"instances":[[%s]]%s}' % (b"],[".join(rows), options)
    return decode_predict(body, manifest, max_rows=len(rows))


def as_json(cell: bytes) -> bytes:
    """Return a cell as JSON: a number, or `null` if it is empty, or else a text."""
    text = cell.strip()
    if JSON_NUMBER.fullmatch(text):
        return text
    if NUMBER.fullmatch(text) and len(text) <= MOST_DIGITS and math.isfinite(number := float(text)):
        return repr(number).encode()
    return orjson.dumps(text.decode()) if text else b"null"


def _mistakes(
    found: Rows, texts: Sequence[bytes], manifest: Manifest, options: bytes
) -> Iterator[tuple[int, InvalidBody]]:
    """Yield the line of each row that is refused, and the reason; a large body may be refused without a place."""
    for line, text in zip(found.lines, texts, strict=True):
        try:
            _decode([text], manifest, options)
        except InvalidBody as error:
            yield line, error


def _sentence(error: InvalidBody, line: int, manifest: Manifest) -> str:
    """Return the first problem with its place: a column of the line, the line, or an option."""
    problem = error.problems[0]
    field, *place = problem["loc"] or ("instances",)
    if field != "instances":
        return f"--{str(field).replace('_', '-')}: {problem['msg']}"
    column = "".join(f", column {manifest.features[int(index)].name}" for index in place[1:])
    return f"line {line}{column}: {problem['msg']}"
