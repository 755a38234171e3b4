"""Bytes of JSON numbers → checked array. The pydantic schema is the contract; past this module nobody checks again.

Large bodies go through a fast reader, which answers only what it can prove that the schema would answer, bit for bit.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar, cast

import numpy as np
import numpy.typing as npt
import orjson
import simdjson
from pydantic import Field, FiniteFloat, Tag, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from softmaxd.errors import InvalidBody, Problem, TooLarge
from softmaxd.models.manifest import DTYPES, Datatype, Manifest
from softmaxd.models.outputs import Features
from softmaxd.numerics.softmax import Floats

MAX_PROBLEMS = 10  # in one answer
MAX_ERRORS = 100  # of pydantic's, before they are only counted: each costs a microsecond, a body can hold a million
MAX_KEY = 64  # characters of a client's own key that an answer repeats

LARGE_BODY = 1024  # bytes; a body of two columns is read twice as fast from here, and 12 times from 10,000 rows on
PIECE = 64 * 1024  # bytes that simdjson parses at a time: it needs 15 times as much memory, and new pages cost 6 ms
NUMBER_BYTES = b"+-.0123456789Ee \t\n\r"  # what an array of rows of numbers consists of, but for brackets and commas

EXACT = 2**53 - 1  # the largest integer that JSON's reader, which makes float64 of all numbers, cannot have rounded

FAIL_FAST = Field(fail_fast=True)
NOT_EMPTY = Field(fail_fast=True, json_schema_extra={"minItems": 1})  # checked later, with a message of its own

Vector = Annotated[list[FiniteFloat], NOT_EMPTY]
Matrix = Annotated[list[Vector], NOT_EMPTY]
Records = Annotated[
    list[Annotated[dict[str, FiniteFloat], Field(json_schema_extra={"minProperties": 1})]],
    NOT_EMPTY,
]

# Each branch of a union carries a tag, by which `_problems` reports only the branch that came furthest.
VectorOrMatrix = Annotated[
    Annotated[Vector, Tag("vector")] | Annotated[Matrix, Tag("matrix")], Field(union_mode="left_to_right")
]
Instances = Annotated[
    Annotated[Matrix, Tag("rows")] | Annotated[Records, Tag("records")], Field(union_mode="left_to_right")
]
TAGS = {"vector", "matrix", "rows", "records", "index", "indices"}


class HasInstances(TypedDict):
    """What each schema of a prediction has, beside its own other fields."""

    instances: Instances


class HasLogits(TypedDict):
    """The same for a request that brings its own logits."""

    logits: VectorOrMatrix


T = TypeVar("T")
R = TypeVar("R", bound=HasInstances)
L = TypeVar("L", bound=HasLogits)


def read_features(
    schema: TypeAdapter[R], body: bytes, manifest: Manifest, *, max_rows: int, fast_from: int = LARGE_BODY
) -> tuple[Features, R]:
    """Return the checked features [rows, features] and the request, of which only the other fields count.

    Raises `InvalidBody` or `TooLarge`. Bodies of `fast_from` bytes or more try the fast reader first.
    """
    fast = read_large(schema, "instances", body, manifest, max_rows=max_rows, fast_from=fast_from)
    if fast is not None:
        return fast
    request = read_json(schema, body)
    return to_features(request["instances"], manifest, max_rows=max_rows), request


def read_large(
    schema: TypeAdapter[T], field: str, body: bytes, manifest: Manifest, *, max_rows: int, fast_from: int = LARGE_BODY
) -> tuple[Features, T] | None:
    """Return the features of a large body's field and the request; None: the schema has to read the whole body."""
    proved = _read_matrix(schema, field, body) if len(body) >= fast_from else None
    if proved is None:
        return None
    matrix, request = proved
    check_rows(len(matrix), max_rows)  # the one error that comes from here: the schema takes a second for 8 MiB
    features, fit = to_type(matrix, manifest.datatype)
    is_right = matrix.shape[1] == len(manifest.features) and fit.all()
    return (features, request) if is_right else None


def read_logits(
    schema: TypeAdapter[L], body: bytes, *, max_rows: int, fast_from: int = LARGE_BODY
) -> tuple[Floats | list[list[float]], bool, L]:
    """Return float64 rows of one length, whether they came as one vector, and the request as `read_features` does.

    Only the fast reader makes an array of them: a few short rows are dearer so.
    """
    if len(body) >= fast_from and (proved := _read_matrix(schema, "logits", body)):
        matrix, request = proved
        check_rows(len(matrix), max_rows)
        return matrix, False, request
    request = read_json(schema, body)
    logits = request["logits"]
    is_vector = not logits or not isinstance(logits[0], list)
    rows = cast(list[list[float]], [logits] if is_vector else logits)
    check_rows(len(rows), max_rows)
    for index, row in enumerate(rows):
        loc: list[str | int] = ["logits"] if is_vector else ["logits", index]
        if not row:
            raise invalid("too_short", loc, "Input should have at least 1 number")
        if len(row) != len(rows[0]):
            raise invalid("row_length", loc, f"Input should have {len(rows[0])} numbers as row 0, not {len(row)}")
    return rows, is_vector, request


def read_json(schema: TypeAdapter[T], body: bytes) -> T:
    """Return the body as its schema says, or raise `InvalidBody`. A duplicate key takes its last value."""
    try:
        return cast(T, schema.validator.validate_json(body))  # `TypeAdapter.validate_json` itself takes 0.4 µs
    except ValidationError as error:
        raise InvalidBody(*_problems(error)) from error


def refuse_nan(body: bytes) -> None:
    """Refuse `NaN` and `Infinity` in fields that a schema ignores: pydantic takes them for JSON."""
    if b"NaN" in body or b"Infinity" in body:
        try:
            orjson.loads(body)  # they may be in a string
        except orjson.JSONDecodeError as error:
            raise invalid("json_invalid", [], "Invalid JSON: NaN and Infinity are not numbers") from error


def to_features(
    instances: Sequence[Sequence[float]] | Sequence[dict[str, float]],
    manifest: Manifest,
    *,
    max_rows: int,
    place: Sequence[str | int] = ("instances",),
) -> Features:
    """Return the features [rows, features] of rows in the model's feature order, or by feature name.

    `place` is where they are in the body.
    """
    width = len(manifest.features)
    row_struct = manifest.row_struct
    if row_struct and len(instances) == 1 and isinstance(instances[0], list) and len(instances[0]) == width:
        try:  # 0.4 µs, where the way by NumPy and its checks takes 5
            return np.ndarray((1, width), manifest.dtype, row_struct.pack(*instances[0]))
        except OverflowError:
            pass  # beyond float32: refused below, with its place
    if not instances:
        raise invalid("too_short", place, "Input should have at least 1 row")
    check_rows(len(instances), max_rows)
    names = [feature.name for feature in manifest.features]
    rows = [
        _by_name(row, names, [*place, index]) if isinstance(row, dict) else row for index, row in enumerate(instances)
    ]
    for index, row in enumerate(rows):
        if len(row) != len(names):
            expected = f"{len(names)} numbers ({', '.join(names)})"
            raise invalid("row_length", [*place, index], f"Input should be {expected}, not {len(row)}")
    features, fit = to_type(rows, manifest.datatype)
    if not fit.all():
        row_index, column = np.argwhere(~fit)[0].tolist()
        loc = [*place, row_index, names[column] if isinstance(instances[0], dict) else column]
        raise misfit(rows[row_index][column], loc, manifest.datatype)
    return features


def check_rows(rows: int, max_rows: int) -> None:
    """Refuse more rows than one request may have."""
    if rows > max_rows:
        raise TooLarge(f"{rows} rows are more than the {max_rows} that one request may have")


def invalid(kind: str, loc: Sequence[str | int], message: str) -> InvalidBody:
    """Return the error for one thing that is wrong with the body."""
    return InvalidBody(Problem(type=kind, loc=loc, msg=message))


def to_type(numbers: object, datatype: Datatype) -> tuple[Features, npt.NDArray[np.bool_]]:
    """Return finite numbers in the model's type, and which of them it has."""
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # beyond float32 becomes inf
            features = np.array(numbers, dtype=dtype)
        return features, np.isfinite(features)
    limits = np.iinfo(dtype)
    values = np.array(numbers, dtype=np.float64)
    fit = (values == np.rint(values)) & (values >= max(limits.min, -EXACT)) & (values <= min(limits.max, EXACT))
    return np.where(fit, values, 0).astype(dtype), fit


def misfit(number: float, place: Sequence[str | int], datatype: Datatype) -> InvalidBody:
    """Return the error for a number that the model's type does not have."""
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        return invalid("finite_number", place, "Input should be a finite number, also as float32")
    limits = np.iinfo(dtype)
    kind = "int_range" if number.is_integer() else "int_type"
    expected = f"a whole number from {limits.min} to {limits.max}, as the model takes {datatype}"
    if kind == "int_range" and limits.min <= number <= float(limits.max):
        expected = f"less than 2**53 in size, as JSON rounds from there; /v2 takes all of {datatype} as bytes"
    return invalid(kind, place, f"Input should be {expected}")


def _read_matrix(schema: TypeAdapter[T], field: str, body: bytes) -> tuple[Floats, T] | None:
    """Return a field's rows of numbers as a matrix, and the request with `[]` in their place; None: not proved.

    The array is cut out of the body: the schema reads the rest as ever, so only the array needs a proof of its own.
    """
    key = f'"{field}"'.encode()
    found = body.find(key)
    quote = body.find(b'"', found + len(key))  # of the next field: numbers have none, so the array ends before
    start = body.find(b"[", found)
    stop = body.rfind(b"]", found, quote if quote > 0 else len(body)) + 1
    if not found < start < stop:  # no array to cut out
        return None
    rest = body[:start] + b"[]" + body[stop:]
    if b"\\" in rest or rest.count(key) > 1:  # without an escape each quote delimits, and this is the field, only once
        return None
    try:
        request = read_json(schema, rest)
    except InvalidBody:
        return None
    if field not in cast(dict[str, object], request):  # it is inside of a field that the schema ignores
        return None
    matrix = _to_matrix(body[start:stop])
    return None if matrix is None else (matrix, request)


def _to_matrix(array: bytes) -> Floats | None:
    """Return a JSON array of rows of numbers, all of one length; None: not proved to be one.

    Without the bytes of numbers and blanks, brackets and commas remain, which are the shape: `[[,],[,]]` is 2 × 2.
    As simdjson takes it for JSON, a number stands on both sides of each comma in a row; in `[]` stands one, or none.
    """
    skeleton = array.translate(None, delete=NUMBER_BYTES)
    width = skeleton.find(b"]") - 1
    rows = (len(skeleton) - 1) // (width + 2)
    row = b"[" + b"," * (width - 1) + b"]"
    if skeleton != b"[" + (row + b",") * (rows - 1) + row + b"]":
        return None
    parser = simdjson.Parser()  # for this thread, and for one document at a time: the proxy goes before the next piece
    try:
        buffers = [cast(simdjson.Array, parser.parse(piece)).as_buffer(of_type="d") for piece in _pieces(array)]
    except (ValueError, RuntimeError):  # not JSON, or beyond float64; an integer beyond 64 bits
        return None
    numbers = np.concatenate([np.frombuffer(buffer, dtype=np.float64) for buffer in buffers])
    return numbers.reshape(rows, width) if numbers.size == rows * width else None


def _pieces(array: bytes) -> Iterator[bytes]:
    """Cut an array of rows into arrays of about PIECE bytes, at the commas between rows."""
    start, end = 1, len(array) - 1
    while start < end:
        comma = array.find(b",", array.find(b"]", start + PIECE))
        stop = comma if comma > 0 else end
        yield b"[" + array[start:stop] + b"]"
        start = stop + 1


def _by_name(row: dict[str, float], names: list[str], place: Sequence[str | int]) -> list[float]:
    missing = [name for name in names if name not in row]
    if missing:
        raise invalid("missing", [*place, missing[0]], "Field required")
    if len(row) != len(names):
        unknown = next(key for key in row if key not in names)
        message = f"Extra inputs are not permitted; the features are {', '.join(names)}"
        raise invalid("extra_forbidden", [*place, unknown[:MAX_KEY]], message)
    return [row[name] for name in names]


def _problems(error: ValidationError) -> list[Problem]:
    if error.error_count() > MAX_ERRORS:
        message = f"Input has {error.error_count()} errors, most of them unknown fields"
        return [Problem(type="too_many_errors", loc=[], msg=message)]
    fields: dict[str | int, dict[str | int, list[Problem]]] = {}  # by field, then by branch
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        loc = [part if isinstance(part, int) else part[:MAX_KEY] for part in item["loc"]]
        branch = next((part for part in loc[1:] if part in TAGS), "")  # a key of the client's own comes after it
        if branch:
            loc.remove(branch)
        problem = Problem(type=item["type"], loc=loc, msg=item["msg"])
        fields.setdefault(loc[0] if loc else "", {}).setdefault(branch, []).append(problem)
    chosen = [max(branches.values(), key=_depth) for branches in fields.values()]
    return [problem for found in chosen for problem in found][:MAX_PROBLEMS]


def _depth(found: list[Problem]) -> tuple[list[int], int]:
    """Return how far into its field a branch came before its first problem."""
    loc = found[0]["loc"]
    return [part for part in loc if isinstance(part, int)], len(loc)
