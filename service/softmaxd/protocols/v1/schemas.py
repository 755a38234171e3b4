"""The bodies of `/v1`."""

from typing import Annotated, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, Tag, TypeAdapter, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from softmaxd.models.inputs import (
    FAIL_FAST,
    Matrix,
    Vector,
)

INPUT = "features"  # of every model
SIGNATURES = {"serving_default": "probabilities", "logits": "logits"}  # the output that each of them asks for
DEFAULT = "serving_default"
FLOATS = {"FP32": "FLOAT", "FP64": "DOUBLE"}  # as TensorFlow names them; integers it names alike

OPEN = ConfigDict(strict=True, extra="ignore")  # as both servers ignore what they do not know
EITHER: JsonDict = {"oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}]}

Signature = Annotated[
    Literal["serving_default", "logits"],
    Field(description="Which output to answer with: `serving_default` the probabilities, `logits` the raw logits."),
]
NamedRows = Annotated[list[dict[str, Vector]], FAIL_FAST]


def _unwrap(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


OneNumber = Annotated[list[float], Field(min_length=1, max_length=1)]
Value = Annotated[FiniteFloat, BeforeValidator(_unwrap, json_schema_input_type=float | OneNumber)]


@with_config(ConfigDict(**OPEN, json_schema_extra=EITHER))
class V1PredictRequest(TypedDict, total=False):
    """Rows of features, row by row or as one tensor."""

    signature_name: Signature
    instances: Annotated[
        Annotated[Matrix, Tag("rows")] | Annotated[NamedRows, Tag("records")],
        Field(
            union_mode="left_to_right",
            description="The row format: at least one row, a list of numbers in the model's feature order or an "
            'object `{"features": [...]}`; one form per request. The answer has `predictions`.',
        ),
    ]
    inputs: Annotated[
        Annotated[Matrix, Tag("matrix")] | Annotated[dict[str, Matrix], Tag("records")],
        Field(
            union_mode="left_to_right",
            description='The columnar format: the same rows as one tensor, or `{"features": [[...], ...]}`. '
            "The answer has `outputs`.",
        ),
    ]


@with_config(OPEN)
class V1ClassifyRequest(TypedDict):
    """Examples, each with the values of its features by name."""

    signature_name: NotRequired[Signature]
    examples: Annotated[
        list[dict[str, Value]],
        FAIL_FAST,
        Field(description="At least one; a value is a number, or a list of one number."),
    ]
    context: NotRequired[
        Annotated[dict[str, object], Field(description="Must be empty.", json_schema_extra={"maxProperties": 0})]
    ]


PREDICT_REQUEST = TypeAdapter(V1PredictRequest)
CLASSIFY_REQUEST = TypeAdapter(V1ClassifyRequest)


FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 per class.")]


class V1Predictions(TypedDict):
    """`predictions` to `instances`, `outputs` to `inputs`."""

    predictions: NotRequired[FloatRows]
    outputs: NotRequired[FloatRows]


Pair = Annotated[list[str | float], Field(min_length=2, max_length=2, description="Label and score.")]


class V1Classifications(TypedDict):
    results: Annotated[list[list[Pair]], Field(description="For each example all classes, in the model's order.")]


class V1ModelNames(TypedDict):
    models: list[str]


class V1VersionError(TypedDict):
    error_code: Literal["OK", "INVALID_ARGUMENT"]
    error_message: Annotated[str, Field(description="Why it was rejected; else empty.")]


class V1VersionStatus(TypedDict):
    version: str
    state: Literal["AVAILABLE", "LOADING", "END"]
    status: V1VersionError


class V1ModelStatus(TypedDict):
    """`name` and `ready` are for clients of KServe, the rest is for those of TensorFlow Serving."""

    name: str
    ready: bool
    model_version_status: Annotated[list[V1VersionStatus], Field(description="The highest version first.")]


class V1Dimension(TypedDict):
    size: Annotated[str, Field(description="-1: any.")]
    name: str


class V1TensorShape(TypedDict):
    dim: list[V1Dimension]
    unknown_rank: bool


class V1TensorInfo(TypedDict):
    dtype: str
    tensor_shape: V1TensorShape
    name: str


class V1SignatureDef(TypedDict):
    inputs: dict[str, V1TensorInfo]
    outputs: dict[str, V1TensorInfo]
    method_name: str


class V1SignatureDefMap(TypedDict):
    signature_def: dict[str, V1SignatureDef]


class V1ModelSpec(TypedDict):
    name: str
    signature_name: str
    version: str


class V1Metadata(TypedDict):
    signature_def: V1SignatureDefMap


class V1ModelMetadata(TypedDict):
    model_spec: V1ModelSpec
    metadata: V1Metadata


class V1Error(TypedDict):
    error: str
