"""The bodies of `/v2`."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field, FiniteFloat, StrictInt, TypeAdapter, with_config
from typing_extensions import TypedDict

from softmaxd.models.inputs import FAIL_FAST, VectorOrMatrix
from softmaxd.models.manifest import DTYPES, Datatype
from softmaxd.numerics.trust import DEFAULT_COVERAGE
from softmaxd.protocols.protocol import IGNORE_UNKNOWN_FIELDS

DATATYPE: Literal["FP32"] = "FP32"  # of logits and probabilities
DATATYPES = {*DTYPES, "BOOL", "FP16", "BF16", "BYTES"}  # all of the protocol
INPUT = "features"
OUTPUTS = ("logits", "probabilities")
TRUST_OUTPUTS = ("atypicality", "typicality", "prediction_sets")  # on request, of models with calibration data

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
        Field(description="[rows, features].", json_schema_extra={"minItems": 2, "maxItems": 2}),
    ]
    datatype: Annotated[
        str,
        Field(description="The datatype in the model's metadata.", json_schema_extra={"enum": list(DTYPES)}),
    ]
    parameters: NotRequired[V2InputParameters | None]
    data: NotRequired[
        Annotated[
            VectorOrMatrix | None,
            Field(description="Row by row, flat or with a list for each row. Finite numbers that fit the datatype."),
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


class V2Live(TypedDict):
    """The process answers."""

    live: bool


class V2Ready(TypedDict):
    """The service is ready."""

    ready: bool


class V2ModelReady(TypedDict):
    """The model is ready."""

    name: str
    ready: bool


class V2Server(TypedDict):
    """Name, version and extensions of the server."""

    name: str
    version: str
    extensions: list[str]


class V2ModelNames(TypedDict):
    """The names of the served models."""

    models: list[str]


class V2Tensor(TypedDict):
    """An input or output of a model."""

    name: str
    datatype: Datatype
    shape: Annotated[list[int], Field(description="−1 stands for any number of rows.")]


class V2ModelMetadata(TypedDict):
    """Versions, inputs and outputs of a model."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[V2Tensor]
    outputs: list[V2Tensor]


class V2ConfiguredTensor(TypedDict):
    """An input or output in a configuration."""

    name: str
    data_type: str
    dims: Annotated[list[int], Field(description="The shape of one row.")]


class V2ModelConfiguration(TypedDict):
    """The configuration of a model in the form of Triton."""

    name: str
    platform: str
    backend: str
    version_policy: dict[str, dict[str, int]]
    max_batch_size: Annotated[int, Field(gt=0, description="The most rows of one request.")]
    input: list[V2ConfiguredTensor]
    output: list[V2ConfiguredTensor]
    dynamic_batching: dict[str, int]
    default_model_filename: str


class V2Duration(TypedDict):
    """A number of requests, and their time in nanoseconds."""

    count: Count
    ns: Count


class V2InferStatistics(TypedDict):
    """Times by part of the work; each request counts the whole time of its batch."""

    success: V2Duration
    fail: V2Duration
    queue: V2Duration
    compute_input: V2Duration
    compute_infer: V2Duration
    compute_output: V2Duration
    cache_hit: V2Duration
    cache_miss: V2Duration


class V2ModelStatistics(TypedDict):
    """The runs of one version of a model."""

    name: str
    version: str
    last_inference: Annotated[Count, Field(description="Milliseconds since 1970; 0 before the first run.")]
    inference_count: Annotated[Count, Field(description="Rows.")]
    execution_count: Annotated[Count, Field(description="Runs of the engine.")]
    inference_stats: V2InferStatistics
    batch_stats: Annotated[
        list[Any], Field(max_length=0, description="Empty: `GET /metrics` has the sizes of batches.")
    ]


class V2Statistics(TypedDict):
    """The runs of models."""

    model_stats: list[V2ModelStatistics]


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
    parameters: NotRequired[Annotated[dict[str, Count], Field(description="`binary_data_size`, instead of `data`.")]]
    data: NotRequired[Annotated[list[float] | list[str] | list[bool], Field(description="Row by row, flat.")]]


class V2InferReply(TypedDict):
    """The requested outputs of the model."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[V2OutputTensor]
