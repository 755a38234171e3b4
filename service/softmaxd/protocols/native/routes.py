"""The operations and routes of the native interface."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
from fastapi import APIRouter

from softmaxd import __version__
from softmaxd.errors import (
    HeadersTooLarge,
    InvalidBody,
    ModelNotFound,
    NotReady,
    OutputNotFinite,
    QueueFull,
    QueueTimeout,
    RequestTimeout,
    ServiceError,
    TooLarge,
    UnsupportedMediaType,
)
from softmaxd.http.asgi import Endpoint
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.openapi import Examples, Responses, example_rows, examples_of, operation_docs, refusal
from softmaxd.http.operation import (
    JSON,
    Headers,
    Operation,
    Reply,
    content_headers,
    header_fields,
    refuse_compressed,
)
from softmaxd.models.inputs import invalid
from softmaxd.models.manifest import Calibration
from softmaxd.models.model import Model
from softmaxd.models.repository import Repository
from softmaxd.models.versions import Version
from softmaxd.protocols.native.codec import (
    PredictJob,
    SoftmaxJob,
    decode_predict,
    decode_softmax,
    encode_predict,
    encode_softmax,
)
from softmaxd.protocols.native.schemas import (
    PREDICT_REQUEST,
    SOFTMAX_REQUEST,
    About,
    BodyRefusal,
    CalibrationInfo,
    ModelInfo,
    ModelList,
    PredictReply,
    Refusal,
    SoftmaxReply,
    Status,
)

SOFTMAX_DESCRIPTION = "Computed in float64, shifted by the row's maximum: no finite logits overflow."
PREDICT_DESCRIPTION = "The float32 probabilities are those of the ONNX file, temperature and normalisation included."


def check_headers(headers: Headers) -> None:
    """Refuse a body that is declared as something else than plain JSON."""
    found = content_headers(headers)
    if found.get(b"content-type", JSON) != JSON:
        _check_media_type(found[b"content-type"])
    refuse_compressed(found)


def _check_media_type(content_type: bytes) -> None:
    media_type = content_type.partition(b";")[0].strip().lower()
    is_json = media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))
    if media_type and not is_json:
        raise UnsupportedMediaType(
            "The body should be JSON: send the header 'Content-Type: application/json' "
            "(with curl: -H 'Content-Type: application/json')"
        )


def refuse(error: ServiceError) -> Reply:
    """Return an error in FastAPI's convention: a list for a wrong body, one sentence for the rest."""
    if isinstance(error, OutputNotFinite):
        error = invalid(
            "too_large", ["instances", error.row], "Input should be numbers for which the model's output is finite"
        )
    detail = error.problems if isinstance(error, InvalidBody) else error.detail
    return Reply(orjson.dumps({"detail": detail}), error.status, headers=header_fields(error.headers))


def _refusals(*errors: type[ServiceError]) -> Responses:
    return {error.status: refusal(error, BodyRefusal if error is InvalidBody else Refusal) for error in errors}


def _softmax_examples() -> Examples:
    bodies: dict[str, Any] = {
        "vector": {"logits": [0.7, 1.5, 4.8]},
        "matrix": {
            "logits": [[0.7, 1.5, 4.8], [-1.0, 0.0, 1.0]],
            "temperature": 2.0,
            "targets": [2, 0],
            "include": ["log_probabilities", "loss", "entropy", "sigmoid"],
        },
    }
    return {
        name: (body, orjson.loads(encode_softmax(decode_softmax(orjson.dumps(body), max_rows=2))))
        for name, body in bodies.items()
    }


def _predict_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    low, high = example_rows(model.manifest)
    by_name = {feature.name: value for feature, value in zip(model.manifest.features, low, strict=True)}
    bodies: dict[str, Any] = {
        "rows": {"instances": [low, high]},
        "by name": {"instances": [by_name], "top_k": 2, "include": ["logits", "log_probabilities"]},
    }
    if model.manifest.calibration is not None:
        include = ["prediction_sets", "typicality"]
        bodies["how far to trust it"] = {"instances": [low, high], "include": include, "coverage": 0.9}
    examples = {}
    for name, body in bodies.items():
        job = decode_predict(orjson.dumps(body), model.manifest, max_rows=2)
        examples[name] = (body, orjson.loads(encode_predict(model.run(job.features), job)))
    return examples


BODY_ERRORS = (RequestTimeout, TooLarge, UnsupportedMediaType, InvalidBody, HeadersTooLarge, NotReady)
PREDICT_ERRORS = (ModelNotFound, *BODY_ERRORS, QueueFull, QueueTimeout)


def operations(models: Repository, *, max_rows: int) -> list[Operation]:
    """Return the operations of the native interface, the hottest first."""

    def decode_rows(body: bytes, _headers: Headers, model: Model | None) -> PredictJob:
        assert model is not None
        return decode_predict(body, model.manifest, max_rows=max_rows)

    def decode_logits(body: bytes, _headers: Headers, _model: Model | None) -> SoftmaxJob:
        return decode_softmax(body, max_rows=max_rows)

    predict = Operation(
        path="/predict",
        find=models.find,
        check=check_headers,
        decode=decode_rows,
        encode=lambda outputs, job: Reply(encode_predict(outputs, job)),
        refuse=refuse,
    )
    return [
        predict,
        replace(
            predict,
            path="/softmax",
            find=lambda _name, _version: None,
            decode=decode_logits,
            encode=lambda _outputs, job: Reply(encode_softmax(job)),
        ),
        replace(predict, path="/models/{name}/predict"),
        replace(predict, path="/models/{name}/versions/{version}/predict"),
    ]


def router(models: Repository, endpoints: Mapping[str, Endpoint], lifecycle: Lifecycle) -> APIRouter:
    """Return the routes of the native interface; `endpoints` are its operations, by path."""
    api = APIRouter()
    _add_operations(api, models, endpoints)
    _add_models(api, models)
    _add_health(api, models, lifecycle)
    return api


def _add_operations(api: APIRouter, models: Repository, endpoints: Mapping[str, Endpoint]) -> None:
    examples = examples_of(models.any(), _predict_examples)
    for path, summary, description in (
        ("/softmax", "Raw logits → probabilities", SOFTMAX_DESCRIPTION),
        ("/predict", "Features → class probabilities, by the default model", PREDICT_DESCRIPTION),
        ("/models/{name}/predict", "The same by a named model", "The highest version of this model answers."),
        ("/models/{name}/versions/{version}/predict", "The same by one version", "Exactly this version answers."),
    ):
        docs = (
            operation_docs(path, SOFTMAX_REQUEST, SoftmaxReply, _refusals(*BODY_ERRORS), _softmax_examples())
            if path == "/softmax"
            else operation_docs(path, PREDICT_REQUEST, PredictReply, _refusals(*PREDICT_ERRORS), examples)
        )
        api.add_api_route(
            path,
            endpoints[path],
            methods=["POST"],
            tags=["operations"],
            summary=summary,
            description=description,
            **docs,
        )


def _info(version: Version, models: Repository) -> ModelInfo:
    info = ModelInfo(
        name=version.name,
        version=str(version.version),
        default=False,
        state=version.state,
        reason=version.reason,
    )
    if version.model is None:
        return info
    manifest = version.model.manifest
    return info.model_copy(
        update={
            "default": models.default is not None and version.model is models.find(None),
            "provider": version.model.provider,
            "classes": list(manifest.labels),
            "features": list(manifest.features),
            "datatype": manifest.datatype,
            "metrics": dict(manifest.metrics),
            "sha256": manifest.sha256,
            "provenance": manifest.provenance,
            "calibration": _calibration_info(manifest.calibration),
            "evaluation": manifest.evaluation,
            "notes": list(manifest.notes),
        }
    )


def _calibration_info(calibration: Calibration | None) -> CalibrationInfo | None:
    if calibration is None:
        return None
    return CalibrationInfo(
        rows=calibration.rows, temperature=calibration.temperature, most_coverage=calibration.most_coverage
    )


def _add_models(api: APIRouter, models: Repository) -> None:
    def describe(name: str, version: str | None) -> ModelInfo:
        served = models.find(name, version)
        return next(_info(each, models) for each in models.states() if each.model is served)

    @api.get("/models", tags=["models"], summary="Every version of every model")
    async def list_models() -> ModelList:
        """Those that are not served as well, with the reason."""
        return ModelList(models=[_info(version, models) for version in models.states()])

    @api.get(
        "/models/{name}",
        tags=["models"],
        summary="The version of a model that answers by default",
        responses=_refusals(ModelNotFound),
    )
    async def describe_model(name: str) -> ModelInfo:
        return describe(name, None)

    @api.get(
        "/models/{name}/versions/{version}",
        tags=["models"],
        summary="One version of a model",
        responses=_refusals(ModelNotFound),
    )
    async def describe_version(name: str, version: str) -> ModelInfo:
        return describe(name, version)


def _add_health(api: APIRouter, models: Repository, lifecycle: Lifecycle) -> None:
    @api.get("/livez", tags=["health"], summary="The process answers")
    async def livez() -> Status:
        return Status(status="alive")

    @api.get("/readyz", tags=["health"], summary="Models are loaded and warm", responses=_refusals(NotReady))
    async def readyz() -> Status:
        """Not ready once the service is shutting down, or when there is no model to serve."""
        lifecycle.admit()
        models.check_ready()
        return Status(status="ready")

    @api.get("/", tags=["health"], summary="What this is")
    async def about() -> About:
        return About(status="alive", name="softmaxd", version=__version__, docs="/docs")
