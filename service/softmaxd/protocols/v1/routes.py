"""The operations and routes of `/v1`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import orjson
from fastapi import APIRouter, HTTPException, Request

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
from softmaxd.http.operation import Headers, Operation, Reply, content_headers, header_fields, refuse_compressed
from softmaxd.models.manifest import Datatype, Manifest
from softmaxd.models.model import Model
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version
from softmaxd.protocols.v1.codec import (
    ClassifyJob,
    PredictJob,
    decode_classify,
    decode_predict,
    encode_classify,
    encode_predict,
)
from softmaxd.protocols.v1.schemas import (
    CLASSIFY_REQUEST,
    FLOATS,
    INPUT,
    PREDICT_REQUEST,
    SIGNATURES,
    Classifications,
    Dimension,
    ErrorReply,
    Metadata,
    ModelMetadata,
    ModelNames,
    ModelSpec,
    ModelStatus,
    Predictions,
    SignatureDef,
    SignatureDefMap,
    TensorInfo,
    TensorShape,
    VersionError,
    VersionStatus,
)

PREFIX = "/v1"  # of its paths


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
