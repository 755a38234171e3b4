"""The manifest of a version folder: the vocabulary that training and service share."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from struct import Struct
from typing import Annotated, Any, Literal, NamedTuple, Self, cast

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import AfterValidator, Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from softmaxd.models.calibration import Calibration, Evaluation, Frozen
from softmaxd.models.features import (
    DTYPES,
    INPUT,
    MAX_NUMBERS,
    Datatype,
    Feature,
    InputTensor,
    TableDatatype,
    is_table,
    tensors_of,
)
from softmaxd.models.vocabularies import Vocabulary, vocabularies_of

# The graph of every model has these outputs.
LOGITS, PROBABILITIES = "logits", "probabilities"
OUTPUTS = (LOGITS, PROBABILITIES)
ATYPICALITY = "atypicality"  # with calibration data, one output more

MOST_BYTES = 64  # of a number in an answer, with all that stands around it

MOST_SAMPLED = 1_000  # rows in a `Sample`

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 2**20

Key = tuple[str, int]  # name and version
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]


class SeedResult(Frozen):
    """The result of one training run with its own seed (losses in nats)."""

    seed: int
    validation_loss: FiniteFloat
    test_loss: FiniteFloat
    test_accuracy: FiniteFloat


class Provenance(Frozen):
    """Where a model comes from: enough to train it again."""

    command: str
    created: Annotated[str, Field(description="UTC, ISO 8601")]
    seed: int
    data_seed: int
    data_sha256: str
    rows: Annotated[Mapping[str, PositiveInt], Field(description="Number of rows by part of the data")]
    seeds: tuple[SeedResult, ...]
    candidates: Annotated[
        Mapping[str, FiniteFloat],
        Field(description="Of a table: the loss of each model that was fitted, on rows that it had not seen"),
    ] = {}
    packages: Annotated[Mapping[str, str], Field(description="Version by package name")]


class Sample(Frozen):
    """Some of the training rows with their classes, for pictures of the data."""

    rows: Annotated[tuple[tuple[FiniteFloat, ...], ...], Field(min_length=1, max_length=MOST_SAMPLED)]
    classes: Annotated[tuple[NonNegativeInt, ...], Field(description="Of each row, as indices of the labels")]

    @model_validator(mode="after")
    def _has_a_class_for_each_row(self) -> Self:
        if len(self.rows) != len(self.classes):
            raise ValueError(f"should have as many classes as rows, {len(self.rows)}, not {len(self.classes)}")
        return self


def _named_once(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    if len({feature.name for feature in features}) < len(features):
        raise ValueError("should not have the same name twice")
    return features


def _one_tensor(features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    if any(feature.shape for feature in features) and (len(features) > 1 or is_table(features)):
        raise ValueError("should be one tensor of numbers, or only single values")
    if math.prod(features[0].shape) > MAX_NUMBERS:
        raise ValueError(f"should have at most {MAX_NUMBERS} numbers")
    return features


@dataclass(frozen=True, slots=True, eq=False)  # equal only to itself, so that its hash is free
class Layout:
    """Type and size of the features of a model that takes an array."""

    datatype: Datatype
    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # of a row
    depth: int  # its dimensions; 0 if a row has a number for each feature
    width: int  # numbers of a row
    row_bytes: int
    code: str  # of `struct`, to pack the numbers; empty for integers, which `struct` does not make of floats


class NamedInput(NamedTuple):
    """An input of a graph, with the shape of a row."""

    name: str
    datatype: TableDatatype
    shape: tuple[int, ...]


class Manifest(Frozen):
    """The description of a model in its version folder: written by training, checked before the model is served."""

    schema_version: Literal[1] = 1
    name: Name
    version: PositiveInt
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description=f"of {MODEL_FILE}")]
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    features: Annotated[
        tuple[Feature, ...], Field(min_length=1), AfterValidator(_named_once), AfterValidator(_one_tensor)
    ]
    datatype: Annotated[
        Datatype, Field(description="Of the features without their own, as the Open Inference Protocol names it")
    ] = "FP32"
    metrics: Mapping[str, FiniteFloat] = {}
    provenance: Provenance | None = None
    calibration: Calibration | None = None
    evaluation: Evaluation | None = None
    sample: Sample | None = None
    notes: tuple[str, ...] = ()
    missing_words: Annotated[
        tuple[str, ...], Field(description="Texts of a file that stand for a missing value, beside the usual ones")
    ] = ()

    @model_validator(mode="after")
    def _samples_rows_of_its_features_and_labels(self) -> Self:
        if self.sample is None:
            return self
        if any(len(row) != len(self.features) for row in self.sample.rows):
            raise ValueError(f"should have sampled rows of its {len(self.features)} features")
        if max(self.sample.classes) >= len(self.labels):
            raise ValueError(f"should have sampled rows of its {len(self.labels)} labels")
        return self

    @model_validator(mode="after")
    def _has_scores_of_its_labels(self) -> Self:
        by_label = self.calibration.by_label if self.calibration else None
        if by_label is not None and len(by_label) != len(self.labels):
            raise ValueError(f"should have calibration rows by label for its {len(self.labels)} labels")
        return self

    @model_validator(mode="after")
    def _has_tensors(self) -> Self:
        outputs = {*OUTPUTS, ATYPICALITY}.intersection(tensor.name for tensor in self.tensors)
        if outputs:
            raise ValueError(f"should not have an input with the name of an output, {outputs.pop()}")
        return self

    @cached_property
    def tensors(self) -> tuple[InputTensor, ...]:
        """The inputs of the graph if the features are a table; else empty: then `layout` describes the only one."""
        return tensors_of(self.features, self.datatype) if is_table(self.features) else ()

    @cached_property
    def vocabularies(self) -> tuple[Vocabulary, ...]:
        """The known texts of features that take other texts, too: an answer tells which of them a row has."""
        return vocabularies_of(self.features, self.tensors)

    @cached_property
    def takes_array(self) -> bool:
        """True if the graph has one input of numbers, `features`: then rows are an array of these, no records."""
        return not self.tensors or (len(self.tensors) == 1 and self.tensors[0].is_plain)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The type of the features: of their numbers, or of records with a field [columns] for each input."""
        if not self.takes_array:
            return np.dtype([(tensor.name, tensor.dtype, (tensor.width,)) for tensor in self.tensors])
        return self.tensors[0].dtype if self.tensors else DTYPES[self.datatype]

    @cached_property
    def layout(self) -> Layout:
        """Of a model that takes an array."""
        shape, dtype = self.features[0].shape or (len(self.features),), self.dtype
        width = math.prod(shape)
        code = dtype.char if dtype.kind == "f" else ""
        datatype = cast(Datatype, self.tensors[0].datatype) if self.tensors else self.datatype
        return Layout(datatype, dtype, shape, self.depth, width, width * dtype.itemsize, code)

    @cached_property
    def inputs(self) -> Sequence[NamedInput]:
        """The inputs of the graph."""
        if self.tensors:
            return [NamedInput(tensor.name, tensor.datatype, (tensor.width,)) for tensor in self.tensors]
        return [NamedInput(INPUT, self.datatype, self.layout.shape)]

    @cached_property
    def depth(self) -> int:
        """The dimensions of a row that is a tensor; 0 if a row has a number for each feature."""
        return len(self.features[0].shape)

    @property
    def columns(self) -> Sequence[Feature]:
        """The feature that each number of a row belongs to."""
        return self.features * self.layout.width if self.depth else self.features

    @cached_property
    def row_struct(self) -> Struct | None:
        """Packs the numbers of one row; None for integers, tensors and tables."""
        is_packed = not self.tensors and self.layout.code and not self.depth
        return Struct(f"={self.layout.width}{self.layout.code}") if is_packed else None

    @property
    def missing_calibration(self) -> str:
        """The end of a sentence that says which data a model without calibration data lacks."""
        return f"calibration data, which the manifest of {self.name} version {self.version} does not have"

    @property
    def missing_scores(self) -> str:
        """The same of a model whose calibration scores are not kept by label."""
        return f"calibration scores by label, which the manifest of {self.name} version {self.version} does not have"

    @cached_property
    def names_as_json(self) -> bytes:
        """Name and version, as they stand in every answer."""
        return b'"model":%s,"version":"%d"' % (orjson.dumps(self.name), self.version)

    @cached_property
    def model_names_as_json(self) -> bytes:
        """The same, as they stand in the answers of `/v2`."""
        return b'"model_name":%s,"model_version":"%d"' % (orjson.dumps(self.name), self.version)

    @cached_property
    def label_bytes(self) -> Sequence[int]:
        """The most bytes that the JSON of n different labels has, each with a comma after it, for n = 0 … classes."""
        return list(accumulate(sorted((len(label) + 1 for label in self.labels_as_json), reverse=True), initial=0))

    @cached_property
    def answer_bytes(self) -> int:
        """A bound of the bytes in the answer to a row, in any form and with all fields."""
        return 4 * (self.label_bytes[-1] + MOST_BYTES * (len(self.labels) + 1)) + self.unknown_bytes

    @cached_property
    def unknown_bytes(self) -> int:
        """The most bytes in the answer to a row that name the features with an unknown text."""
        return sum(len(each.name_as_json) + 1 for each in self.vocabularies)

    def held_bytes(self, features: npt.NDArray[Any]) -> int:
        """Return a bound of the bytes that a request holds until it is answered: its features and its answer."""
        size = features.nbytes + len(features) * self.answer_bytes
        return size + self._bytes_of_texts(features) if self.tensors else size

    def _bytes_of_texts(self, features: npt.NDArray[Any]) -> int:
        names = [tensor.name for tensor in self.tensors if tensor.datatype == "BYTES"]
        return sum(sum(map(str.__sizeof__, features[name].ravel().tolist())) for name in names)

    @cached_property
    def labels_as_json(self) -> list[bytes]:
        # copied, because orjson returns the short end of a long buffer: 80 MB for 20,000 labels
        return [bytes(memoryview(orjson.dumps(label))) for label in self.labels]
