"""The bodies of `/v1`."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, Tag, TypeAdapter, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.models.schemas import (
    DEPTHS,
    NOT_EMPTY,
    Cell,
    Matrix,
    TableRow,
    TableRows,
    Vector,
    allow_tables,
    allow_tensors,
    nested,
    records,
    rows_or_records,
    with_fields,
)
from softmaxd.protocols.protocol import IGNORE_UNKNOWN_FIELDS

SIGNATURES = {"serving_default": PROBABILITIES, "logits": LOGITS}  # the output of each signature
DEFAULT = "serving_default"
TYPES = {"FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}  # names of TensorFlow; the others are those of /v2

EITHER: JsonDict = {"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]}
ONLY_INPUT: JsonDict = {"minProperties": 1, "maxProperties": 1}

Signature = Annotated[
    Literal["serving_default", "logits"],
    Field(description="The output: `serving_default` are the probabilities, `logits` the raw logits."),
]
NamedRow = Annotated[dict[str, Vector], Field(json_schema_extra=ONLY_INPUT)]
NamedRows = Annotated[list[NamedRow], NOT_EMPTY]
NamedMatrix = Annotated[dict[str, Matrix], Field(json_schema_extra=ONLY_INPUT)]


def unwrap(value: object) -> object:
    """Return the value in a list of one, or the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


OneNumber = Annotated[list[float], Field(min_length=1, max_length=1)]
Value = Annotated[FiniteFloat, BeforeValidator(unwrap, json_schema_input_type=float | OneNumber)]


@with_config(ConfigDict(**IGNORE_UNKNOWN_FIELDS, json_schema_extra=EITHER))
class V1PredictRequest(TypedDict, total=False):
    """Rows of features, in the row format or in the columnar format."""

    signature_name: Signature
    instances: Annotated[
        Annotated[Matrix, Tag("rows")] | Annotated[NamedRows, Tag("records")],
        Field(
            union_mode="left_to_right",
            description="The row format: lists of numbers in the model's feature order, or objects "
            '`{"features": [...]}`; one form per request. The rows of a table have values, or are objects by feature '
            "name. The answer has `predictions`.",
            json_schema_extra=allow_tables,
        ),
    ]
    inputs: Annotated[
        Annotated[Matrix, Tag("matrix")] | Annotated[NamedMatrix, Tag("records")],
        Field(
            union_mode="left_to_right",
            description='The columnar format: the same rows as one tensor, or `{"features": [[...], ...]}`. A table '
            "has a list for each feature, by its name. The answer has `outputs`.",
            json_schema_extra=allow_tensors,
        ),
    ]


@with_config(IGNORE_UNKNOWN_FIELDS)
class V1ClassifyRequest(TypedDict):
    """Examples: the values of features by name."""

    signature_name: NotRequired[Signature]
    examples: Annotated[
        list[Annotated[dict[str, Value], Field(json_schema_extra={"minProperties": 1})]],
        NOT_EMPTY,
        Field(description="Each value is a number, or a list of one number."),
    ]
    context: NotRequired[
        Annotated[dict[str, object], Field(description="Empty or absent.", json_schema_extra={"maxProperties": 0})]
    ]


PREDICT_REQUEST = TypeAdapter(V1PredictRequest)
CLASSIFY_REQUEST = TypeAdapter(V1ClassifyRequest)


def _predict_request(depth: int) -> TypeAdapter[V1PredictRequest]:
    """Return the schema for rows that are tensors with so many dimensions."""
    rows = nested(depth + 1)
    named: Any = Annotated[dict[str, rows], Tag("records")]  # type: ignore[valid-type]
    inputs: Any = Annotated[Annotated[rows, Tag("matrix")] | named, Field(union_mode="left_to_right")]
    return TypeAdapter(with_fields(V1PredictRequest, {"instances": rows_or_records(depth), "inputs": inputs}))


def _classify_request(depth: int) -> TypeAdapter[V1ClassifyRequest]:
    return TypeAdapter(with_fields(V1ClassifyRequest, {"examples": records(depth)}))


TABLE_FIELDS: dict[str, Any] = {
    "instances": TableRows,
    "inputs": Annotated[
        Annotated[list[TableRow], NOT_EMPTY, Tag("matrix")] | Annotated[dict[str, TableRow], Tag("records")],
        Field(union_mode="left_to_right"),
    ],
}
Example = Annotated[dict[str, Annotated[Cell, BeforeValidator(unwrap)]], Field(json_schema_extra={"minProperties": 1})]
PREDICT_TABLE = TypeAdapter(with_fields(V1PredictRequest, TABLE_FIELDS))
CLASSIFY_TABLE = TypeAdapter(with_fields(V1ClassifyRequest, {"examples": Annotated[list[Example], NOT_EMPTY]}))

PREDICT_REQUESTS = (PREDICT_REQUEST, *map(_predict_request, DEPTHS))  # by the dimensions of a row that is a tensor
CLASSIFY_REQUESTS = (CLASSIFY_REQUEST, *map(_classify_request, DEPTHS))


FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 number per class.")]


class V1Predictions(TypedDict):
    """One output of the model: `predictions` for `instances`, `outputs` for `inputs`."""

    predictions: NotRequired[FloatRows]
    outputs: NotRequired[FloatRows]


Pair = Annotated[list[str | float], Field(min_length=2, max_length=2, description="Label and score.")]


class V1Classifications(TypedDict):
    """The labels and scores of the examples."""

    results: Annotated[list[list[Pair]], Field(description="For each example all classes, in the model's order.")]


class V1ModelNames(TypedDict):
    """The names of the served models."""

    models: list[str]


class V1VersionError(TypedDict):
    """The reason of a state."""

    error_code: Literal["OK", "INVALID_ARGUMENT"]
    error_message: Annotated[str, Field(description="Why the version was rejected; else empty.")]


class V1VersionStatus(TypedDict):
    """The state of a version."""

    version: str
    state: Literal["AVAILABLE", "LOADING", "END"]
    status: V1VersionError


class V1ModelStatus(TypedDict):
    """The state of a model: `name` and `ready` for clients of KServe, the rest for clients of TensorFlow Serving."""

    name: str
    ready: bool
    model_version_status: Annotated[list[V1VersionStatus], Field(description="The highest version first.")]


class V1Dimension(TypedDict):
    """One dimension of a tensor."""

    size: Annotated[str, Field(description="-1 stands for any number.")]
    name: str


class V1TensorShape(TypedDict):
    """The shape of a tensor."""

    dim: list[V1Dimension]
    unknown_rank: bool


class V1TensorInfo(TypedDict):
    """Type, shape and name of a tensor."""

    dtype: str
    tensor_shape: V1TensorShape
    name: str


class V1SignatureDef(TypedDict):
    """Inputs and outputs of a signature."""

    inputs: dict[str, V1TensorInfo]
    outputs: dict[str, V1TensorInfo]
    method_name: str


class V1SignatureDefMap(TypedDict):
    """The signatures by name."""

    signature_def: dict[str, V1SignatureDef]


class V1ModelSpec(TypedDict):
    """Name and version of a model."""

    name: str
    signature_name: str
    version: str


class V1Metadata(TypedDict):
    """The metadata by kind; there is one kind."""

    signature_def: V1SignatureDefMap


class V1ModelMetadata(TypedDict):
    """A model and its signatures."""

    model_spec: V1ModelSpec
    metadata: V1Metadata


class V1Error(TypedDict):
    """An error, in one sentence."""

    error: str
