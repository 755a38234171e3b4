"""Rows of a table → features, by the decode of a request with the same rows."""

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import orjson
from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from softmaxd.errors import InvalidBody, Problem, Refused
from softmaxd.models.features import Feature
from softmaxd.models.inputs import read_features, read_json
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features
from softmaxd.models.schemas import DEPTHS, HasInstances, TableRows, rows_or_records, with_fields
from softmaxd.tables.rows import MISSING, Cell, Rows

PLAIN = b"0123456789+-.eE,"  # no other bytes are in rows of plain numbers
SEPARATOR = b"],["  # of rows in JSON
JSON_NUMBER = re.compile(rb"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOST_DIGITS = 1000  # of a number
TRUTHS = {b"true": b"true", b"1": b"true", b"false": b"false", b"0": b"false"}
NUMBERS_OF_TRUTHS = {b"true": b"1", b"false": b"0"}

T = TypeVar("T")
Decode = Callable[[bytes, int], T]  # takes the instances as JSON, and their number


@with_config(ConfigDict(strict=True))
class _Request(HasInstances):
    """A request of rows and nothing else."""


@with_config(ConfigDict(strict=True))
class _TableRequest(TypedDict):
    """The same for a table, whose rows may have texts, booleans and missing values."""

    instances: TableRows


CELL = TypeAdapter[Any](Any)
TABLE_REQUEST = TypeAdapter(_TableRequest)
REQUESTS = (  # by the dimensions of a row that is a tensor
    TypeAdapter(_Request),
    *(TypeAdapter(with_fields(_Request, {"instances": rows_or_records(depth)})) for depth in DEPTHS),
)


def features_of(found: Rows, manifest: Manifest) -> Features:
    """Return the features of these rows, whose cells are in the order of the features, or of the numbers of a tensor.

    They have the bits of a request with the same rows. Raises `Refused` with the place.
    """

    def decode(instances: bytes, rows: int) -> Features:
        schema = TABLE_REQUEST if manifest.tensors else REQUESTS[manifest.depth]
        return read_features(schema, b'{"instances":%s}' % instances, manifest, max_rows=rows)[0]

    return decode_rows(found, manifest, decode)


def decode_rows(found: Rows, manifest: Manifest, decode: Decode[T], missing: Sequence[str] = ()) -> T:
    """Return these rows, decoded as instances of a request. Raises `Refused` with the place.

    `missing` are texts that stand for a missing value, beside those of the manifest and the usual ones.
    """
    own_words = {word.strip().encode() for word in (*manifest.missing_words, *missing)}
    if not any(map(NUMBER.fullmatch, own_words)) and (joined := _plain(found, manifest)) is not None:
        try:
            return decode(b"[[%s]]" % joined, len(found))
        except InvalidBody:  # such as 007, which JSON does not have, or a mistake that is told below
            pass
    if manifest.depth:
        rows: Sequence[Sequence[bytes]] = [list(map(as_json, row)) for row in found.cells()]
        texts = _nested(found, rows, manifest)
    else:
        columns = zip(manifest.features, found.columns(len(manifest.features)), strict=True)
        rows = list(zip(*[_column(column, feature, found, own_words) for feature, column in columns], strict=True))
        texts = list(map(b",".join, rows))
    try:
        return _decode(texts, decode)
    except InvalidBody as error:
        index, mistake = next(_mistakes(texts, decode), (0, error))
        raise Refused(f"{found.place(index)}{_sentence(mistake.problems[0], rows[index], manifest)}") from error


def _plain(found: Rows, manifest: Manifest) -> bytes | None:
    """Return the rows with the brackets of JSON between them if all are plain numbers; else None."""
    if not manifest.takes_array:
        return None
    rows = found.lines()
    joined = SEPARATOR.join(rows)
    if joined.translate(None, PLAIN) != b"][" * (len(rows) - 1):
        return None
    return SEPARATOR.join(_nested(found, found.cells(), manifest)) if manifest.depth else joined


def _column(cells: Sequence[Cell], feature: Feature, found: Rows, own_words: Collection[bytes]) -> list[bytes]:
    """Return the cells of a feature as JSON."""
    different = set(cells)
    missing = _missing(different, feature, found, own_words) if feature.nullable else set()
    to_json = {"BYTES": _text_as_json, "BOOL": _truth_as_json}.get(feature.datatype or "", as_json)
    texts = {cell: to_json(None if cell in missing else cell) for cell in different}
    return list(map(texts.__getitem__, cells))


def _missing(different: Collection[Cell], feature: Feature, found: Rows, own_words: Collection[bytes]) -> set[Cell]:
    """Return the cells of a feature that stand for a missing value.

    Numbers of Parquet have no text of their own, so a word such as -999 is compared with them as a number.
    """
    words, empty = _words(feature, own_words), None if found.is_parquet else b""
    codes = _numbers(words) if found.is_parquet and feature.datatype not in {"BYTES", "BOOL"} else set()
    texts = {cell: (cell or b"").strip() for cell in different}
    return {
        cell
        for cell, text in texts.items()
        if cell == empty or text in words or (codes and not codes.isdisjoint(_numbers([text])))
    }


def _words(feature: Feature, own_words: Collection[bytes]) -> set[bytes]:
    """Return the words that stand for a missing value: no categories, and none but one's own of a text without any."""
    is_free = feature.datatype == "BYTES" and not feature.categories
    usual = () if is_free else (word.encode() for word in MISSING)
    return {*usual, *own_words}.difference(map(str.encode, feature.categories))


def _numbers(texts: Collection[bytes]) -> set[float]:
    return {float(text) for text in texts if NUMBER.fullmatch(text)}


def _text_as_json(cell: Cell) -> bytes:
    return b"null" if cell is None else orjson.dumps(cell.decode())


def _truth_as_json(cell: Cell) -> bytes:
    """Return a cell of truth as JSON: true, false, 1 or 0 in any case of letters; another text is refused later."""
    text = (cell or b"").strip()
    return TRUTHS.get(text.lower()) or _text_as_json(text or None)


def _decode(rows: Sequence[bytes], decode: Decode[T]) -> T:
    return decode(b"[[%s]]" % SEPARATOR.join(rows), len(rows))


def _nested(found: Rows, cells: Sequence[Sequence[Cell]], manifest: Manifest) -> list[bytes]:
    """Return the cells of each row with the brackets of a tensor between them. Raises `Refused`."""
    layout = manifest.layout
    for index, row in enumerate(cells):
        if len(row) != layout.width:
            place = found.place(index)
            raise Refused(f"{place} has {len(row)} values, but a row of the model has {layout.width} numbers")
    form = b"%s"
    for size in reversed(layout.shape):
        form = b"[%s]" % b",".join([form] * size)
    return [form[1:-1] % tuple(cell or b"" for cell in row) for row in cells]


def as_json(cell: Cell) -> bytes:
    """Return a cell as JSON: a number, which true and false are too, or `null` if it is empty, or else a text."""
    text = (cell or b"").strip()
    if JSON_NUMBER.fullmatch(text):
        return text
    if (number_of_truth := NUMBERS_OF_TRUTHS.get(text.lower())) is not None:
        return number_of_truth
    if NUMBER.fullmatch(text) and len(text) <= MOST_DIGITS and math.isfinite(number := float(text)):
        return repr(number).encode()
    return orjson.dumps(text.decode()) if text else b"null"


def _mistakes(texts: Sequence[bytes], decode: Decode[T]) -> Iterator[tuple[int, InvalidBody]]:
    """Yield the index of each row that is refused, and the reason; a large body may be refused without a place."""
    for index, text in enumerate(texts):
        try:
            _decode([text], decode)
        except InvalidBody as error:
            yield index, error


def _sentence(problem: Problem, cells: Sequence[bytes], manifest: Manifest) -> str:
    """Return a problem of a row, after its column if there is one."""
    inside, reason = tuple(map(int, problem["loc"][2:])), problem["msg"]
    if not inside:
        column, reason = next(_unreadable(cells), (None, reason))
    else:
        column = int(np.ravel_multi_index(inside, manifest.layout.shape)) if manifest.depth else inside[0]
    if column is None:
        return f": {reason}"
    return f", column {column + 1 if manifest.depth else manifest.features[column].name}: {reason}"


def _unreadable(cells: Sequence[bytes]) -> Iterator[tuple[int, str]]:
    """Yield the index of each cell that no request may have, such as a very long number or text, and the reason."""
    for index, cell in enumerate(cells):
        try:
            read_json(CELL, cell)
        except InvalidBody as error:
            yield index, error.problems[0]["msg"].partition(" at line ")[0]
