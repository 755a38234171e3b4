"""`/v1`: what clients of TensorFlow Serving's REST interface and of KServe's V1 protocol speak, on the same paths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired, TypeVar, cast

import orjson
from fastapi import APIRouter, HTTPException, Request
from pydantic import BeforeValidator, ConfigDict, Field, FiniteFloat, Tag, TypeAdapter, with_config
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from softmaxd.errors import (
    InvalidBody,
    ModelNotFound,
    NotReady,
    OutputNotFinite,
    QueueFull,
    QueueTimeout,
    ServiceError,
    TooLarge,
    UnsupportedMediaType,
)
from softmaxd.http.asgi import Endpoint
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import (
    Examples,
    Responses,
    example_rows,
    examples_of,
    operation_docs,
    path_parameters,
    refusal,
)
from softmaxd.http.operation import Headers, Job, Operation, Reply, content_headers, header_fields, refuse_compressed
from softmaxd.models.inputs import (
    FAIL_FAST,
    MAX_KEY,
    Matrix,
    Vector,
    invalid,
    read_json,
    read_large,
    refuse_nan,
    to_features,
)
from softmaxd.models.manifest import Datatype, Manifest
from softmaxd.models.model import Model
from softmaxd.models.outputs import Features, Outputs, to_json
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version

PREFIX = "/v1"  # of its paths
INPUT = "features"  # of every model
SIGNATURES = {"serving_default": "probabilities", "logits": "logits"}  # the output that each of them asks for
DEFAULT = "serving_default"
FLOATS = {"FP32": "FLOAT", "FP64": "DOUBLE"}  # as TensorFlow names them; integers it names alike

# --- what comes in -----------------------------------------------------------------------------------------------

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
class PredictRequest(TypedDict, total=False):
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
class ClassifyRequest(TypedDict):
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


PREDICT_REQUEST = TypeAdapter(PredictRequest)
CLASSIFY_REQUEST = TypeAdapter(ClassifyRequest)

# --- what goes out -----------------------------------------------------------------------------------------------

FloatRows = Annotated[list[list[float]], Field(description="One row per instance, one float32 per class.")]


class Predictions(TypedDict):
    """`predictions` to `instances`, `outputs` to `inputs`."""

    predictions: NotRequired[FloatRows]
    outputs: NotRequired[FloatRows]


Pair = Annotated[list[str | float], Field(min_length=2, max_length=2, description="Label and score.")]


class Classifications(TypedDict):
    results: Annotated[list[list[Pair]], Field(description="For each example all classes, in the model's order.")]


class ModelNames(TypedDict):
    models: list[str]


class VersionError(TypedDict):
    error_code: Literal["OK", "INVALID_ARGUMENT"]
    error_message: Annotated[str, Field(description="Why it was rejected; else empty.")]


class VersionStatus(TypedDict):
    version: str
    state: Literal["AVAILABLE", "LOADING", "END"]
    status: VersionError


class ModelStatus(TypedDict):
    """`name` and `ready` are for clients of KServe, the rest is for those of TensorFlow Serving."""

    name: str
    ready: bool
    model_version_status: Annotated[list[VersionStatus], Field(description="The highest version first.")]


class Dimension(TypedDict):
    size: Annotated[str, Field(description="-1: any.")]
    name: str


class TensorShape(TypedDict):
    dim: list[Dimension]
    unknown_rank: bool


class TensorInfo(TypedDict):
    dtype: str
    tensor_shape: TensorShape
    name: str


class SignatureDef(TypedDict):
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    method_name: str


class SignatureDefMap(TypedDict):
    signature_def: dict[str, SignatureDef]


class ModelSpec(TypedDict):
    name: str
    signature_name: str
    version: str


class Metadata(TypedDict):
    signature_def: SignatureDefMap


class ModelMetadata(TypedDict):
    model_spec: ModelSpec
    metadata: Metadata


class ErrorReply(TypedDict):
    error: str


# --- decode and encode: pure -------------------------------------------------------------------------------------

T = TypeVar("T")


@dataclass(slots=True)
class PredictJob(Job):
    features: Features
    output: str
    is_columnar: bool


@dataclass(slots=True)
class ClassifyJob(Job):
    features: Features
    output: str
    labels: Sequence[str]


def decode_predict(body: bytes, manifest: Manifest, *, max_rows: int) -> PredictJob:
    """Return what a body of `:predict` asks of a model; raises `InvalidBody` or `TooLarge`."""
    features, request = (
        read_large(PREDICT_REQUEST, "instances", body, manifest, max_rows=max_rows)
        or read_large(PREDICT_REQUEST, "inputs", body, manifest, max_rows=max_rows)
        or (None, read_json(PREDICT_REQUEST, body))
    )
    refuse_nan(body)
    if ("instances" in request) == ("inputs" in request):
        raise invalid("missing", [], "Input should have either instances or inputs")
    if features is None:
        rows, place = _columns(request["inputs"]) if "inputs" in request else _rows(request["instances"])
        features = to_features(rows, manifest, max_rows=max_rows, place=place)
    return PredictJob(features, SIGNATURES[request.get("signature_name", DEFAULT)], "inputs" in request)


def _rows(instances: list[list[float]] | list[dict[str, list[float]]]) -> tuple[list[list[float]], list[str]]:
    """Return the rows of the row format, and where they are."""
    if not instances or isinstance(instances[0], list):
        return cast(list[list[float]], instances), ["instances"]  # the schema takes one form per request
    return [_only_input(row, ["instances", index]) for index, row in enumerate(instances)], ["instances"]


def _columns(inputs: list[list[float]] | dict[str, list[list[float]]]) -> tuple[list[list[float]], list[str]]:
    """Return the rows of the columnar format, and where they are."""
    if isinstance(inputs, list):
        return inputs, ["inputs"]
    return _only_input(inputs, ["inputs"]), ["inputs", INPUT]


def _only_input(named: Mapping[str, T], place: Sequence[str | int]) -> T:
    """Return the tensor of the model's only input, which may be given by name."""
    unknown = next((name for name in named if name != INPUT), None)
    if unknown is not None:
        raise invalid("extra_forbidden", [*place, unknown[:MAX_KEY]], f"The model's only input is {INPUT}")
    if not named:
        raise invalid("missing", [*place, INPUT], "Field required")
    return named[INPUT]


def encode_predict(outputs: Outputs, job: PredictJob) -> bytes:
    """Return the answer to `:predict`, float32 digits that round-trip. Raises `OutputNotFinite`."""
    return b'{"%s":%s}' % (b"outputs" if job.is_columnar else b"predictions", outputs.json(job.output))


def decode_classify(body: bytes, manifest: Manifest, *, max_rows: int) -> ClassifyJob:
    """Return what a body of `:classify` asks of a model; raises `InvalidBody` or `TooLarge`."""
    request = read_json(CLASSIFY_REQUEST, body)
    refuse_nan(body)
    if request.get("context"):  # a few values for many rows would be a small body with as many features as it likes
        raise invalid("too_long", ["context"], "Input should be empty: give each example all of its features")
    features = to_features(request["examples"], manifest, max_rows=max_rows, place=["examples"])
    return ClassifyJob(features, SIGNATURES[request.get("signature_name", DEFAULT)], manifest.labels)


def encode_classify(outputs: Outputs, job: ClassifyJob) -> bytes:
    """Return the answer to `:classify`, float32 digits that round-trip. Raises `OutputNotFinite`."""
    return to_json({"results": [list(zip(job.labels, row, strict=True)) for row in outputs[job.output]]})


# --- the parts of HTTP -------------------------------------------------------------------------------------------


def check_headers(headers: Headers) -> None:
    """Refuse a compressed body. What type it says it is does not matter: `curl -d` calls it a form."""
    refuse_compressed(content_headers(headers))


def refuse(error: ServiceError) -> Reply:
    """Return an error as both servers do: one sentence, and 400 for a wrong body."""
    headers = dict(error.headers)
    if isinstance(error, UnsupportedMediaType):
        headers["Accept-Encoding"] = "identity"
    return Reply(
        orjson.dumps({"error": error.detail}), _status(type(error), error.status), headers=header_fields(headers)
    )


def _status(kind: type[ServiceError], status: int) -> int:
    return 400 if issubclass(kind, InvalidBody | OutputNotFinite) else status


def _refusals(*errors: type[ServiceError]) -> Responses:
    return {_status(error, error.status): refusal(error, ErrorReply) for error in errors}


def _predict_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    rows = example_rows(model.manifest)
    bodies: dict[str, Any] = {
        "instances": {"instances": rows},
        "inputs": {"inputs": {INPUT: rows}, "signature_name": "logits"},
    }
    examples = {}
    for name, body in bodies.items():
        job = decode_predict(orjson.dumps(body), model.manifest, max_rows=2)
        examples[name] = (body, orjson.loads(encode_predict(model.run(job.features), job)))
    return examples


def _classify_examples(model: Model) -> Examples:
    names = [feature.name for feature in model.manifest.features]
    body = {"examples": [dict(zip(names, row, strict=True)) for row in example_rows(model.manifest)]}
    job = decode_classify(orjson.dumps(body), model.manifest, max_rows=2)
    return {"examples": (body, orjson.loads(encode_classify(model.run(job.features), job)))}


ERRORS = (ModelNotFound, InvalidBody, TooLarge, UnsupportedMediaType, QueueFull, NotReady, QueueTimeout)

# --- operations and routes ---------------------------------------------------------------------------------------


MODEL = "/v1/models/{name}"
VERSION = MODEL + "/versions/{version}"
PATHS = {MODEL: "of a model", VERSION: "of one version of a model"}


def operations(models: Repository, *, max_rows: int) -> list[Operation]:
    """Return the operations of `/v1`, the hottest first."""

    def decode_rows(body: bytes, _headers: Headers, model: Model | None) -> PredictJob:
        assert model is not None
        return decode_predict(body, model.manifest, max_rows=max_rows)

    def decode_examples(body: bytes, _headers: Headers, model: Model | None) -> ClassifyJob:
        assert model is not None
        return decode_classify(body, model.manifest, max_rows=max_rows)

    predict = Operation(
        path=MODEL + ":predict",
        find=models.find,
        check=check_headers,
        decode=decode_rows,
        encode=lambda outputs, job: Reply(encode_predict(outputs, job)),
        refuse=refuse,
    )
    classify = replace(
        predict,
        path=MODEL + ":classify",
        decode=decode_examples,
        encode=lambda outputs, job: Reply(encode_classify(outputs, job)),
    )
    return [
        predict,
        replace(predict, path=VERSION + ":predict"),
        classify,
        replace(classify, path=VERSION + ":classify"),
    ]


def router(models: Repository, endpoints: Mapping[str, Endpoint], lifecycle: Lifecycle) -> APIRouter:
    """Return the routes of `/v1`; `endpoints` are all operations, by path."""
    api = APIRouter(tags=["v1"])
    _add_operations(api, models, endpoints)
    _add_models(api, models, lifecycle)
    return api


def _add_operations(api: APIRouter, models: Repository, endpoints: Mapping[str, Endpoint]) -> None:
    default = models.any()
    predictions = examples_of(default, _predict_examples)
    classifications = examples_of(default, _classify_examples)
    refusals = _refusals(*ERRORS)
    for path, whose in PATHS.items():
        api.add_api_route(
            path + ":predict",
            endpoints[path + ":predict"],
            methods=["POST"],
            summary=f"Rows → probabilities or logits {whose}",
            **operation_docs(path, PREDICT_REQUEST, Predictions, refusals, predictions),
        )
        api.add_api_route(
            path + ":classify",
            endpoints[path + ":classify"],
            methods=["POST"],
            summary=f"Examples → labels and scores {whose}",
            **operation_docs(path, CLASSIFY_REQUEST, Classifications, refusals, classifications),
        )
        for verb in (":predict", ":classify"):
            api.add_api_route(path + verb, _only_post, include_in_schema=False)


async def _only_post() -> None:
    """Refuse a GET, which else would ask for a model whose name ends in the verb."""
    raise HTTPException(405, headers={"Allow": "POST"})


def _add_models(api: APIRouter, models: Repository, lifecycle: Lifecycle) -> None:
    @api.get("/v1/models", summary="The names of the models")
    async def list_models() -> ModelNames:
        return ModelNames(models=list(dict.fromkeys(model.manifest.name for model in models.all())))

    async def status(request: Request) -> ModelStatus:
        lifecycle.admit()
        return _status_of(models.versions_of(**request.path_params)[::-1])

    async def metadata(request: Request) -> ModelMetadata:
        return _metadata_of(models.find(**request.path_params).manifest)

    for path, whose in PATHS.items():
        extra = path_parameters(path)
        api.add_api_route(
            path,
            status,
            summary=f"The state {whose}",
            responses=_refusals(ModelNotFound, NotReady),
            openapi_extra=extra,
        )
        api.add_api_route(
            path + "/metadata",
            metadata,
            summary=f"The signatures {whose}",
            responses=_refusals(ModelNotFound),
            openapi_extra=extra,
        )


def _state(state: State) -> Literal["AVAILABLE", "LOADING", "END"]:
    match state:
        case "ready":
            return "AVAILABLE"
        case "loading":
            return "LOADING"
        case "rejected" | "unloaded":
            return "END"


def _status_of(versions: Sequence[Version]) -> ModelStatus:
    statuses = [
        VersionStatus(
            version=str(each.version),
            state=_state(each.state),
            status=VersionError(error_code="INVALID_ARGUMENT", error_message=each.reason)
            if each.state == "rejected"
            else VersionError(error_code="OK", error_message=""),
        )
        for each in versions
    ]
    return ModelStatus(name=versions[0].name, ready=True, model_version_status=statuses)


def _metadata_of(manifest: Manifest) -> ModelMetadata:
    signatures = {
        signature: SignatureDef(
            inputs={INPUT: _tensor(INPUT, manifest.datatype, len(manifest.features))},
            outputs={output: _tensor(output, "FP32", len(manifest.labels))},
            method_name="tensorflow/serving/predict",
        )
        for signature, output in SIGNATURES.items()
    }
    return ModelMetadata(
        model_spec=ModelSpec(name=manifest.name, signature_name="", version=str(manifest.version)),
        metadata=Metadata(signature_def=SignatureDefMap(signature_def=signatures)),
    )


def _tensor(name: str, datatype: Datatype, width: int) -> TensorInfo:
    dtype = f"DT_{FLOATS.get(datatype, datatype)}"
    dimensions = [Dimension(size=str(size), name="") for size in (-1, width)]
    return TensorInfo(dtype=dtype, tensor_shape=TensorShape(dim=dimensions, unknown_rank=False), name=f"{name}:0")
