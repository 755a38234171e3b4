"""The replies of the routes of `/v2`: states, metadata, configurations and statistics."""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from softmaxd.models.features import TableDatatype
from softmaxd.protocols.v2.schemas import Count


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
    datatype: TableDatatype
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
    problem: NotRequired[Annotated[str, Field(description="Why runs in other workers may be missing.")]]
