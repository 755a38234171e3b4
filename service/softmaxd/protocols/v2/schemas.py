"""The bodies of `/v2`."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, FiniteFloat, StrictInt, TypeAdapter, with_config
from typing_extensions import TypedDict

from softmaxd.models.inputs import (
    FAIL_FAST,
    VectorOrMatrix,
)
from softmaxd.models.manifest import DTYPES
from softmaxd.numerics.trust import (
    DEFAULT_COVERAGE,
)

DATATYPE = "FP32"  # of logits and probabilities
DATATYPES = {*DTYPES, "BOOL", "FP16", "BF16", "BYTES"}  # that a client may say
INPUT = "features"
OUTPUTS = ("logits", "probabilities")
TRUST_OUTPUTS = ("atypicality", "typicality", "prediction_sets")  # of models with calibration data, when asked for

BINARY = b"application/octet-stream"
JSON_LENGTH = b"inference-header-content-length"
MAX_DIGITS = 18  # of that header: a length has fewer

STRICT = ConfigDict(strict=True)

Size = Annotated[StrictInt, Field(ge=0)]
Coverage = Annotated[
    Annotated[FiniteFloat, Field(gt=0, lt=1)] | None,
    Field(description=f"How often `prediction_sets` hold the true label, at least. Default {DEFAULT_COVERAGE}."),
]
NO_SHARED_MEMORY = Field(description="Refused: memory is not shared.")


@with_config(STRICT)
class V2InputParameters(TypedDict):
    binary_data_size: NotRequired[
        Annotated[Size | None, Field(description="The bytes of this tensor after the JSON, instead of `data`.")]
    ]
    shared_memory_region: NotRequired[Annotated[object, NO_SHARED_MEMORY]]


@with_config(STRICT)
class V2InputTensor(TypedDict):
    name: Annotated[str, Field(description=f"`{INPUT}`.")]
    shape: Annotated[list[Size], FAIL_FAST, Field(description="[rows, features], at least one row.")]
    datatype: Annotated[str, Field(description="That of the model, as its metadata say.")]
    parameters: NotRequired[V2InputParameters | None]
    data: NotRequired[
        Annotated[
            VectorOrMatrix | None,
            Field(description="Row by row, flat or with a list for each row. Finite, and such as the datatype has."),
        ]
    ]


@with_config(STRICT)
class V2OutputParameters(TypedDict):
    binary_data: NotRequired[Annotated[bool | None, Field(description="Whether it comes as bytes after the JSON.")]]
    classification: NotRequired[
        Annotated[Size | None, Field(description="How many classes to name, best first, instead of all numbers.")]
    ]
    coverage: NotRequired[Coverage]
    shared_memory_region: NotRequired[Annotated[object, NO_SHARED_MEMORY]]


@with_config(STRICT)
class V2RequestedOutput(TypedDict):
    name: Annotated[
        str,
        Field(
            description=", ".join(f"`{name}`" for name in OUTPUTS)
            + "; of models with calibration data "
            + ", ".join(f"`{name}`" for name in TRUST_OUTPUTS)
            + "."
        ),
    ]
    parameters: NotRequired[V2OutputParameters | None]


@with_config(STRICT)
class V2RequestParameters(TypedDict):
    binary_data_output: NotRequired[
        Annotated[bool | None, Field(description="`binary_data` of the outputs that do not have it.")]
    ]
    coverage: NotRequired[Coverage]


@with_config(STRICT)
class V2InferRequest(TypedDict):
    """Rows of features, for which logits and probabilities are wanted."""

    id: NotRequired[Annotated[str | None, Field(description="Comes back in the answer.")]]
    parameters: NotRequired[V2RequestParameters | None]
    inputs: Annotated[list[V2InputTensor], FAIL_FAST, Field(min_length=1, description="One tensor.")]
    outputs: NotRequired[
        Annotated[
            Annotated[list[V2RequestedOutput], FAIL_FAST] | None,
            Field(description="Those that are wanted; logits and probabilities, when it is empty or not there."),
        ]
    ]


INFER_REQUEST = TypeAdapter(V2InferRequest)


@with_config(STRICT)
class V2IndexRequest(TypedDict):
    """Which models to list. No body at all is as good as `{}`."""

    ready: NotRequired[Annotated[bool | None, Field(description="Whether to leave out what is not ready.")]]


@with_config(STRICT)
class V2LoadRequest(TypedDict):
    """To load or unload a model. No body at all is as good as `{}`."""

    parameters: NotRequired[
        Annotated[dict[str, object] | None, Field(description="`config` and `file:…` are refused, others ignored.")]
    ]


INDEX_REQUEST = TypeAdapter(V2IndexRequest)
LOAD_REQUEST = TypeAdapter(V2LoadRequest)


class V2Error(TypedDict):
    error: str


class V2Live(TypedDict):
    live: bool


class V2Ready(TypedDict):
    ready: bool


class V2ModelReady(TypedDict):
    name: str
    ready: bool


class V2Server(TypedDict):
    name: str
    version: str
    extensions: list[str]


class V2ModelNames(TypedDict):
    models: list[str]


class V2Tensor(TypedDict):
    name: str
    datatype: str
    shape: Annotated[list[int], Field(description="−1: any number of rows.")]


class V2ModelMetadata(TypedDict):
    name: str
    versions: list[str]
    platform: str
    inputs: list[V2Tensor]
    outputs: list[V2Tensor]


class V2ConfiguredTensor(TypedDict):
    name: str
    data_type: str
    dims: Annotated[list[int], Field(description="Of one row.")]


class V2ModelConfiguration(TypedDict):
    """A model configuration as Triton gives it, where it applies here."""

    name: str
    platform: str
    backend: str
    version_policy: dict[str, dict[str, int]]
    max_batch_size: Annotated[int, Field(description="The most rows in one request.")]
    input: list[V2ConfiguredTensor]
    output: list[V2ConfiguredTensor]
    dynamic_batching: dict[str, int]
    default_model_filename: str


class V2Duration(TypedDict):
    count: int
    ns: int


class V2InferStatistics(TypedDict):
    """Of requests; each counts all the time that its batch took."""

    success: V2Duration
    fail: V2Duration
    queue: V2Duration
    compute_input: V2Duration
    compute_infer: V2Duration
    compute_output: V2Duration
    cache_hit: V2Duration
    cache_miss: V2Duration


class V2ModelStatistics(TypedDict):
    name: str
    version: str
    last_inference: Annotated[int, Field(description="Milliseconds since 1970, or 0.")]
    inference_count: Annotated[int, Field(description="Rows.")]
    execution_count: Annotated[int, Field(description="Runs of the engine.")]
    inference_stats: V2InferStatistics
    batch_stats: Annotated[list[Any], Field(description="Empty: sizes of batches are in `GET /metrics`.")]


class V2Statistics(TypedDict):
    model_stats: list[V2ModelStatistics]


class V2IndexEntry(TypedDict):
    name: str
    version: str
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: Annotated[str, Field(description="Why it is not ready, or why a newer file of it is not; else empty.")]


class V2Done(TypedDict):
    """Nothing: it is done."""


class V2OutputTensor(TypedDict):
    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired[Annotated[dict[str, int], Field(description="`binary_data_size`, in place of `data`.")]]
    data: NotRequired[Annotated[list[float] | list[str] | list[bool], Field(description="Row by row, flat.")]]


class V2InferReply(TypedDict):
    model_name: str
    model_version: str
    id: NotRequired[str]
    outputs: list[V2OutputTensor]
