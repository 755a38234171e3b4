"""The vocabulary that training and service share: what a model is and what its manifest says."""

import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Annotated, Any, Literal, Protocol, Self, get_args

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from softmaxd.errors import OutputNotFinite

Array = npt.NDArray[np.float32]
Features = npt.NDArray[Any]  # [rows, features], of the type that the model's manifest says
Settle = Callable[["Outputs | Exception"], None]  # hears of an outcome

FEW_ROWS = 64  # up to which the rows of a request are taken from the text of their batch

MANY_ROWS, FEW_CLASSES = 2_000, 16  # with which `best_classes` goes by columns: 0.4 instead of 1.4 ms for 100,000 × 4

# Clients read a number as float64 and round that to float32. Of all float32, each written in its shortest digits, only
# this one, with either sign, comes back as its neighbour: the float64 is halfway between the two.
ROUNDED_TWICE = np.float32(7.0385307e-26)
SHORTEST, EXACT = b"7.038531e-26", b"7.0385307e-26"
LONG_TEXT = 10_000  # bytes, from which it is looked for in the array: 0.05 ms for 400,000 numbers, in their text 1.6

MAX_QUANTILES = 1_000  # of the calibration rows that a manifest keeps

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]
Datatype = Literal["FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]
DTYPES: Mapping[Datatype, np.dtype[Any]] = {
    name: np.dtype(name.lower().replace("fp", "float")) for name in get_args(Datatype)
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Frozen):
    """One column of the input, with the range that it had in the training rows."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None


class SeedResult(_Frozen):
    """What one training run with its own seed reached (losses in nats)."""

    seed: int
    validation_loss: FiniteFloat
    test_loss: FiniteFloat
    test_accuracy: FiniteFloat


class Provenance(_Frozen):
    """Where a model comes from: enough to train it again."""

    command: str
    created: Annotated[str, Field(description="UTC, ISO 8601")]
    seed: int
    data_seed: int
    data_sha256: str
    rows: Annotated[Mapping[str, PositiveInt], Field(description="Number of rows by part of the data")]
    seeds: tuple[SeedResult, ...]
    packages: Annotated[Mapping[str, str], Field(description="Version by package name")]


def _sorted(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(low > high for low, high in pairwise(values)):
        raise ValueError("should be sorted")
    return values


Quantiles = Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=MAX_QUANTILES), AfterValidator(_sorted)]


class Calibration(_Frozen):
    """What the calibration rows say of the model: rows like those to come, which it was not trained on."""

    rows: PositiveInt
    temperature: Annotated[FiniteFloat, Field(gt=0, description="By which the graph divides the network's logits")]
    scores: Annotated[
        Quantiles, Field(description="−ln p of the true label, sorted, thinned (softmaxd.numerics.trust)")
    ]
    atypicality: Annotated[Quantiles, Field(description="The graph's output of that name, sorted, thinned")]

    @model_validator(mode="after")
    def _has_no_more_than_its_rows(self) -> Self:
        if max(len(self.scores), len(self.atypicality)) > self.rows:
            raise ValueError(f"should have no more values than its {self.rows} rows")
        return self

    @cached_property
    def atypicality_array(self) -> npt.NDArray[np.float64]:
        return np.array(self.atypicality)


class ReliabilityBin(_Frozen):
    """Rows of about the same maximum probability: its mean, and how often the label was right."""

    rows: PositiveInt
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Covered(_Frozen):
    """How often prediction sets held the true label, and how many labels they had on average."""

    coverage: Annotated[FiniteFloat, Field(description="As asked for")]
    measured: FiniteFloat
    labels: FiniteFloat


class Evaluation(_Frozen):
    """Tables and pictures of the test rows; the single figures are in `metrics`."""

    confusion: Annotated[tuple[tuple[NonNegativeInt, ...], ...], Field(description="Rows by true, then given label")]
    reliability: tuple[ReliabilityBin, ...]
    reliability_before: Annotated[tuple[ReliabilityBin, ...], Field(description="With the temperature 1")]
    prediction_sets: tuple[Covered, ...]
    typicality: Annotated[tuple[NonNegativeInt, ...], Field(description="Rows by tenths of (0, 1]")]


@dataclass(frozen=True, slots=True, eq=False)  # not equal to another: its hash costs nothing
class Layout:
    """What a tensor of a model's features has to be."""

    datatype: Datatype
    dtype: np.dtype[Any]
    width: int
    row_bytes: int
    code: str  # by which `struct` packs its numbers; empty for integers, which it would not make of floats


class Manifest(_Frozen):
    """What a version folder says of its model; written by training, checked before the model is served."""

    schema_version: Literal[1] = 1
    name: Name
    version: PositiveInt
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description=f"of {MODEL_FILE}")]
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    datatype: Annotated[Datatype, Field(description="Of the features, as the Open Inference Protocol names it")] = (
        "FP32"
    )
    metrics: Mapping[str, FiniteFloat] = {}
    provenance: Provenance | None = None
    calibration: Calibration | None = None
    evaluation: Evaluation | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of the features, as NumPy has it."""
        return DTYPES[self.datatype]

    @cached_property
    def layout(self) -> Layout:
        width, dtype = len(self.features), self.dtype
        return Layout(self.datatype, dtype, width, width * dtype.itemsize, dtype.char if dtype.kind == "f" else "")

    @cached_property
    def row_struct(self) -> Struct | None:
        """Packs the numbers of one row; None for integers."""
        return Struct(f"={self.layout.width}{self.layout.code}") if self.layout.code else None

    @cached_property
    def names_as_json(self) -> bytes:
        """Name and version, as they stand in every answer."""
        return b'"model":%s,"version":"%d"' % (orjson.dumps(self.name), self.version)

    @cached_property
    def model_names_as_json(self) -> bytes:
        """The same, as they stand in the answers of `/v2`."""
        return b'"model_name":%s,"model_version":"%d"' % (orjson.dumps(self.name), self.version)

    @cached_property
    def labels_as_json(self) -> list[bytes]:
        return [orjson.dumps(label) for label in self.labels]


class Batch:
    """What the engine gave for the rows of a batch, by output name. What is made of whole batches is made once."""

    __slots__ = ("_best", "_finite", "_raw", "_texts", "outputs")

    def __init__(self, outputs: Mapping[str, Array]) -> None:
        self.outputs = outputs
        self._best: list[int] | None = None  # not `cached_property`: its lock takes 1 µs in Python 3.11
        self._raw: dict[str, tuple[memoryview, int]] = {}
        self._finite: dict[str, bool] = {}
        self._texts: dict[str, list[bytes]] = {}

    @property
    def best(self) -> list[int]:
        """The most probable class of each row; ties: the lower index."""
        if self._best is None:
            probabilities = self.outputs["probabilities"]
            few = len(probabilities) < MANY_ROWS  # whose probabilities nobody asks for: 1 µs
            self._best = (probabilities.argmax(axis=1) if few else best_classes(probabilities)[0]).tolist()
        return self._best

    def is_finite(self, name: str) -> bool:
        """Whether an output has only finite values."""
        finite = self._finite.get(name)
        if finite is None:
            finite = self._finite[name] = is_finite(self.outputs[name])
        return finite

    def raw(self, name: str) -> tuple[memoryview, int]:
        """Return the bytes of an output [rows, n], and how many a row has."""
        found = self._raw.get(name)
        if found is None:
            values = self.outputs[name]
            found = self._raw[name] = (values.data.cast("B"), values.nbytes // len(values))
        return found

    def texts(self, name: str) -> list[bytes]:
        """Return each row of an output [rows, n] as JSON, with the digits that round-trip, without brackets."""
        texts = self._texts.get(name)
        if texts is None:
            texts = self._texts[name] = float32_to_json(self.outputs[name])[2:-2].split(b"],[")
        return texts


class Outputs:
    """The rows of one request in a batch."""

    __slots__ = ("_batch", "_start", "_stop")

    def __init__(self, batch: Batch, start: int, stop: int) -> None:
        self._batch = batch
        self._start = start
        self._stop = stop

    @property
    def of_batch(self) -> Mapping[str, Array]:
        """The outputs of all requests in the batch."""
        return self._batch.outputs

    @property
    def best(self) -> list[int]:
        """The most probable class of each row."""
        return self._batch.best[self._start : self._stop]

    @property
    def atypicality(self) -> Array:
        """[rows], unchecked: where it is not a number the row is as atypical as can be."""
        return self._batch.outputs["atypicality"][self._start : self._stop]

    def json(self, name: str) -> bytes:
        """Return an output [rows, n] as JSON, a list for each row. Raises `OutputNotFinite`."""
        if self._stop - self._start > FEW_ROWS:
            return float32_to_json(self[name])
        return b"[[%s]]" % b"],[".join(self._rows(name))

    def flat_json(self, name: str) -> bytes:
        """Return an output [rows, n] as JSON, one list, row by row. Raises `OutputNotFinite`."""
        if self._stop - self._start > FEW_ROWS:
            return float32_to_json(self[name].reshape(-1))
        return b"[%s]" % b",".join(self._rows(name))

    def _rows(self, name: str) -> list[bytes]:
        if not self._batch.is_finite(name):
            self._find_not_finite(name)
        return self._batch.texts(name)[self._start : self._stop]

    def raw(self, name: str) -> memoryview:
        """Return the bytes of an output [rows, n], row by row. Raises `OutputNotFinite`."""
        if not self._batch.is_finite(name):
            self._find_not_finite(name)
        values, row = self._batch.raw(name)
        return values[self._start * row : self._stop * row]

    def __getitem__(self, name: str) -> Array:
        """Return an output [rows, …]. Raises `OutputNotFinite`."""
        if not self._batch.is_finite(name):
            self._find_not_finite(name)
        return self._batch.outputs[name][self._start : self._stop]

    def _find_not_finite(self, name: str) -> None:
        """Raise `OutputNotFinite` if it is a row of this request, and not of another one in the batch."""
        values = self._batch.outputs[name][self._start : self._stop]
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not finite.all():
            raise OutputNotFinite(int(np.argmin(finite)))


NOTHING = Outputs(Batch({}), 0, 0)  # of an operation that asks no model


def best_classes(probabilities: Array) -> tuple[npt.NDArray[np.integer], Array]:
    """Return the most probable class of each row of [rows, classes], of equal ones the first, and its probability."""
    rows, classes = probabilities.shape
    if rows < MANY_ROWS or classes > FEW_CLASSES:
        best = probabilities.argmax(axis=1)
        return best, probabilities[np.arange(rows), best]
    columns = [probabilities[:, index] for index in range(classes)]
    highest = reduce(np.maximum, columns)
    from_last = np.ones(rows, dtype=np.uint8)  # of a row that is not a number: the last class
    for index, column in enumerate(columns):
        np.maximum(from_last, (column == highest).view(np.uint8) * np.uint8(classes - index), out=from_last)
    return classes - from_last, highest


def is_finite(values: Features) -> bool:
    """Whether there are only finite values."""
    # the product alone takes 0.4 instead of 1.0 µs for a few rows; it may overflow where no value does
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def float32_to_json(values: Array) -> bytes:
    """Return a C-contiguous array as JSON, each number exact also for a client that reads it as float64."""
    text = to_json(values)
    if len(text) > LONG_TEXT and not (np.abs(values) == ROUNDED_TWICE).any():
        return text
    return text.replace(SHORTEST, EXACT)


def to_json(value: object) -> bytes:
    """Return a value, C-contiguous arrays in it, as JSON, with the shortest digits that round-trip."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


class Waiting(Protocol):
    """Rows that wait for the engine; once abandoned, their outcome is not wanted any more."""

    abandoned: bool


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model: features [n, features] of the manifest's type in, float32 outputs of n rows each out.

    `predict` joins the rows of concurrent requests, and so does `submit`, whose rows run at the next `flush`; `run`
    runs these rows now and by themselves.
    """

    manifest: Manifest
    provider: str
    run: Callable[[Features], Outputs]
    predict: Callable[[Features], Awaitable[Outputs]]
    submit: Callable[[Features, Settle], Waiting]
    flush: Callable[[], None]


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
