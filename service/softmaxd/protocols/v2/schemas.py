"""The bodies of `/v2`."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, FiniteFloat, StrictInt, Tag, TypeAdapter, with_config
from typing_extensions import TypedDict

from softmaxd.models.calibration import DEFAULT_COVERAGE_BY, CoverageBy
from softmaxd.models.features import DTYPES, INPUT, MAX_DIMENSIONS
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS
from softmaxd.models.schemas import DEPTHS, FAIL_FAST, Cell, Vector, VectorOrMatrix, allow_tensors, nested, with_fields
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.protocol import IGNORE_UNKNOWN_FIELDS

DATATYPE: Literal["FP32"] = "FP32"  # of logits and probabilities
DATATYPES = {*DTYPES, "BOOL", "FP16", "BF16", "BYTES"}  # all of the protocol
TRUST_OUTPUTS = (ATYPICALITY, "typicality", "prediction_sets")  # on request, of models with calibration data

BINARY = b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"
MAX_DIGITS = 18  # of that header: a length has fewer

Size = Annotated[StrictInt, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Coverage = Annotated[
    Annotated[FiniteFloat, Field(gt=0, lt=1)] | None,
    Field(
        description="The smallest share of rows whose set in `prediction_sets` has the true label. "
        f"Default {DEFAULT_COVERAGE}."
    ),
]
Conditional = Annotated[
    CoverageBy | None,
    Field(
        description="`class` holds the `coverage` of `prediction_sets` among the rows of each true label, if the model "
        "has calibration scores by label; `marginal` holds it on average over all rows. "
        f"Default `{DEFAULT_COVERAGE_BY}`."
    ),
]
NO_SHARED_MEMORY = Field(description="Refused: shared memory is not supported.")


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2InputParameters(TypedDict):
    """The place of a tensor."""

    binary_data_size: NotRequired[
        Annotated[Size | None, Field(description="The bytes of this tensor after the JSON, instead of `data`.")]
    ]
    shared_memory_region: NotRequired[Annotated[object, NO_SHARED_MEMORY]]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2InputTensor(TypedDict):
    """Rows of features."""

    name: Annotated[str, Field(description=f"`{INPUT}`.", json_schema_extra={"const": INPUT})]
    shape: Annotated[
        list[Annotated[Size, Field(json_schema_extra={"minimum": 1})]],
        FAIL_FAST,
        Field(
            description="[rows, features], or [rows, …] with the shape of the model's tensor.",
            json_schema_extra={"minItems": 2, "maxItems": 1 + MAX_DIMENSIONS},
        ),
    ]
    datatype: Annotated[
        str,
        Field(description="The datatype in the model's metadata.", json_schema_extra={"enum": list(DTYPES)}),
    ]
    parameters: NotRequired[V2InputParameters | None]
    data: NotRequired[
        Annotated[
            VectorOrMatrix | None,
            Field(
                description="Row by row, flat or with a list for each row. Finite numbers that fit the datatype.",
                json_schema_extra=allow_tensors,
            ),
        ]
    ]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2OutputParameters(TypedDict):
    """The form of an output."""

    binary_data: NotRequired[
        Annotated[bool | None, Field(description="True for bytes after the JSON, instead of `data`.")]
    ]
    classification: NotRequired[
        Annotated[
            Size | None,
            Field(description="Answer with the names of this many classes, best first, instead of all numbers."),
        ]
    ]
    coverage: NotRequired[Coverage]
    coverage_by: NotRequired[Conditional]
    shared_memory_region: NotRequired[Annotated[object, NO_SHARED_MEMORY]]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2RequestedOutput(TypedDict):
    """An output of the model, and its form in the answer."""

    name: Annotated[
        str,
        Field(
            description=f"{', '.join(f'`{name}`' for name in TRUST_OUTPUTS)} need calibration data of the model.",
            json_schema_extra={"enum": [*OUTPUTS, *TRUST_OUTPUTS]},
        ),
    ]
    parameters: NotRequired[V2OutputParameters | None]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2RequestParameters(TypedDict):
    """Defaults for all outputs."""

    binary_data_output: NotRequired[
        Annotated[bool | None, Field(description="`binary_data` of the outputs without their own.")]
    ]
    coverage: NotRequired[Coverage]
    coverage_by: NotRequired[Conditional]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2InferRequest(TypedDict):
    """Rows of features, for logits and probabilities."""

    id: NotRequired[Annotated[str | None, Field(description="Comes back in the answer.")]]
    parameters: NotRequired[V2RequestParameters | None]
    inputs: Annotated[
        list[V2InputTensor],
        FAIL_FAST,
        Field(min_length=1, description="One tensor.", json_schema_extra={"maxItems": 1}),
    ]
    outputs: NotRequired[
        Annotated[
            Annotated[list[V2RequestedOutput], FAIL_FAST] | None,
            Field(description="The outputs of the answer, each once; logits and probabilities if empty or absent."),
        ]
    ]


INFER_REQUEST = TypeAdapter(V2InferRequest)


def _infer_request(depth: int) -> TypeAdapter[V2InferRequest]:
    """Return the schema for rows that are tensors with so many dimensions."""
    data: Any = Annotated[
        Annotated[Vector, Tag("vector")] | Annotated[nested(depth + 1), Tag("matrix")],
        Field(union_mode="left_to_right"),
    ]
    tensor = with_fields(V2InputTensor, {"data": NotRequired[data | None]})
    inputs = Annotated[list[tensor], FAIL_FAST, Field(min_length=1)]  # type: ignore[valid-type]
    return TypeAdapter(with_fields(V2InferRequest, {"inputs": inputs}))


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2TableTensor(TypedDict):
    """An input of a table. Its values are checked column by column."""

    name: str
    shape: list[Size]
    datatype: str
    parameters: NotRequired[V2InputParameters | None]
    data: NotRequired[list[Cell] | None]


TABLE_INPUTS = Annotated[list[V2TableTensor], FAIL_FAST, Field(min_length=1)]
INFER_TABLE = TypeAdapter(with_fields(V2InferRequest, {"inputs": TABLE_INPUTS}))
INFER_REQUESTS = (INFER_REQUEST, *map(_infer_request, DEPTHS))  # by the dimensions of a row that is a tensor


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2IndexRequest(TypedDict):
    """A choice of versions. No body counts as `{}`."""

    ready: NotRequired[Annotated[bool | None, Field(description="True for the versions that are ready only.")]]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V2LoadRequest(TypedDict):
    """Parameters of a change. No body counts as `{}`."""

    parameters: NotRequired[
        Annotated[dict[str, object] | None, Field(description="`config` and `file:…` are refused, others are ignored.")]
    ]


INDEX_REQUEST = TypeAdapter(V2IndexRequest)
LOAD_REQUEST = TypeAdapter(V2LoadRequest)


class V2Error(TypedDict):
    """An error, in one sentence."""

    error: str


class V2IndexEntry(TypedDict):
    """One version of a model with its state."""

    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: Annotated[
        str, Field(description="Why the version is not ready, or why its newer file is not served; else empty.")
    ]


class V2Done(TypedDict):
    """Empty: the change is made."""


class V2OutputTensor(TypedDict):
    """An output of the model."""

    name: str
    datatype: Literal["FP32", "FP64", "BOOL", "BYTES"]
    shape: list[Count]
    parameters: NotRequired[
        Annotated[
            dict[str, Count | str],
            Field(
                description="`binary_data_size`, instead of `data`; `not_guaranteed` of `prediction_sets` with "
                "`coverage_by` `class`: the labels with too few calibration rows for this `coverage`, fewer than "
                "⌈1/(1 − coverage)⌉ − 1, with a colon between them."
            ),
        ]
    ]
    data: NotRequired[Annotated[list[float] | list[str] | list[bool], Field(description="Row by row, flat.")]]


class V2InferReply(TypedDict):
    """The requested outputs of the model."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[V2OutputTensor]
