"""Rows of a table → the job of a request with the same rows, by the decode of `/predict`."""

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
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
    """Return the job of these rows, whose cells are in the order of the features, or of the numbers of a tensor.

    `options` has the other fields of the request as JSON, each after a comma. Raises `Refused` with the line.
    """
    rows = found.texts()
    if not b",".join(rows).translate(None, PLAIN):
        try:
            return _decode(_nested(found, found.cells(), manifest) if manifest.depth else rows, manifest, options)
        except InvalidBody:  # such as 007, which JSON does not have, or a mistake that is told below
            pass
    cells = [list(map(as_json, row)) for row in found.cells()]
    texts = _nested(found, cells, manifest) if manifest.depth else [b",".join(row) for row in cells]
    try:
        return _decode(texts, manifest, options)
    except InvalidBody as error:
        alone = _mistakes(found, texts, manifest, options)
        line, mistake = next(alone, (found.lines[0], error))
        raise Refused(_sentence(mistake, line, manifest)) from error


def _decode(rows: Sequence[bytes], manifest: Manifest, options: bytes) -> PredictJob:
    body = b'{"instances":[[%s]]%s}' % (b"],[".join(rows), options)
    return decode_predict(body, manifest, max_rows=len(rows))


def _nested(found: Rows, cells: Sequence[Sequence[bytes]], manifest: Manifest) -> list[bytes]:
    """Return the cells of each row with the brackets of a tensor between them. Raises `Refused`."""
    layout = manifest.layout
    for line, row in zip(found.lines, cells, strict=True):
        if len(row) != layout.width:
            raise Refused(f"line {line} has {len(row)} values, but a row of the model has {layout.width} numbers")
    form = b"%s"
    for size in reversed(layout.shape):
        form = b"[%s]" % b",".join([form] * size)
    return [form[1:-1] % tuple(row) for row in cells]


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
    inside = tuple(map(int, place[1:]))
    if not inside:
        return f"line {line}: {problem['msg']}"
    is_tensor = manifest.depth > 0
    column = (
        1 + int(np.ravel_multi_index(inside, manifest.layout.shape)) if is_tensor else manifest.features[inside[0]].name
    )
    return f"line {line}, column {column}: {problem['msg']}"
