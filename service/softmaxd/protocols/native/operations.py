"""The operations of the native interface: `/softmax`, and `/predict` by model and version."""

from functools import partial
from typing import Any

import orjson

from softmaxd.errors import CannotRun, InvalidBody, OutputNotFinite, ServiceError, UnsupportedMediaType
from softmaxd.http.openapi import Docs, Examples, Responses, error_responses, example_records, example_rows, examples_of
from softmaxd.http.operation import JSON, Headers, Operation, Reply
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.datatypes import invalid
from softmaxd.models.model import Find, Model
from softmaxd.models.outputs import Outputs
from softmaxd.models.repository import Repository
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
    BodyError,
    Error,
    PredictReply,
    SoftmaxReply,
    SoftmaxRequest,
)
from softmaxd.protocols.native.sizes import check_predict, check_softmax
from softmaxd.protocols.protocol import (
    MODEL_ERRORS,
    PLAIN_ONLY,
    SOFTMAX_ERRORS,
    content_headers,
    headers_of,
    refuse_compressed,
)

ERRORS = (Error, BodyError)  # the bodies of refusals
BODY_PROBLEMS = (InvalidBody, OutputNotFinite, CannotRun)  # answered with a list of problems
PREDICT_DESCRIPTION = "The float32 probabilities of the ONNX file, which includes temperature and normalisation."
PREDICT_PATHS = (  # path, operation id, summary, description
    ("/predict", "predict", "Features → class probabilities, by the default model", PREDICT_DESCRIPTION),
    (
        "/models/{name}/predict",
        "predict_model",
        "Features → class probabilities, by a named model",
        "The pinned version of this model answers, or else the highest one; a route may give others a share.",
    ),
    (
        "/models/{name}/versions/{version}/predict",
        "predict_version",
        "Features → class probabilities, by one version",
        "Exactly this version answers.",
    ),
)


class NativeOperation(Operation):
    """An operation with JSON bodies only, and errors in FastAPI's convention."""

    def check(self, headers: Headers) -> None:
        """Refuse a body that is declared as something else than plain JSON."""
        found = content_headers(headers)
        if found.get(b"content-type", JSON) != JSON:
            _check_media_type(found[b"content-type"])
        refuse_compressed(found)

    def refuse(self, error: ServiceError) -> Reply:
        return refuse(error)


class Softmax(NativeOperation):
    def __init__(self, docs: Docs, limits: AnswerLimits, *, max_rows: int) -> None:
        super().__init__("/softmax", docs)
        self._check = partial(check_softmax, limits, max_rows)

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> SoftmaxJob:
        return decode_softmax(body, self._check)

    def encode(self, outputs: Outputs, job: SoftmaxJob) -> Reply:
        return Reply(encode_softmax(job))


class Predict(NativeOperation):
    def __init__(self, path: str, docs: Docs, find: Find, limits: AnswerLimits, *, max_rows: int) -> None:
        super().__init__(path, docs, find)
        self._limits = limits
        self._max_rows = max_rows

    def decode(self, body: bytes, headers: Headers, model: Model | None) -> PredictJob:
        assert model is not None
        job = decode_predict(body, model.manifest, max_rows=self._max_rows)
        check_predict(self._limits, job)
        return job

    def encode(self, outputs: Outputs, job: PredictJob) -> Reply:
        return Reply(encode_predict(outputs, job))


def operations(models: Repository, limits: AnswerLimits, shown: Model | None, *, max_rows: int) -> list[Operation]:
    """Return the operations of the native interface, the hottest first; examples are of the model that is `shown`."""
    examples = examples_of(shown, _predict_examples)
    predict: list[Operation] = [
        Predict(path, _predict_docs(name, summary, text, examples), models.find, limits, max_rows=max_rows)
        for path, name, summary, text in PREDICT_PATHS
    ]
    return [*predict, Softmax(_softmax_docs(), limits, max_rows=max_rows)]


def refuse(error: ServiceError) -> Reply:
    """Return an error in FastAPI's convention: a list for a wrong body, one sentence for the rest."""
    if isinstance(error, OutputNotFinite):
        error = invalid(
            "too_large", ["instances", error.row], "Input should be numbers for which the model's output is finite"
        )
    if isinstance(error, CannotRun):
        error = invalid("cannot_run", ["instances"], error.detail)
    detail = error.problems if isinstance(error, InvalidBody) else error.detail
    return Reply(orjson.dumps({"detail": detail}), error.status, headers=headers_of(error, PLAIN_ONLY))


def errors_of_path(*errors: type[ServiceError]) -> Responses:
    """Return the errors of a path for the OpenAPI document."""
    return error_responses(errors, lambda error: (error.status, BodyError if error in BODY_PROBLEMS else Error))


def _check_media_type(content_type: bytes) -> None:
    media_type = content_type.partition(b";")[0].strip().lower()
    is_json = media_type == JSON or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))
    if media_type and not is_json:
        raise UnsupportedMediaType(
            "The body should be JSON: send the header 'Content-Type: application/json' "
            "(with curl: -H 'Content-Type: application/json')"
        )


def _softmax_docs() -> Docs:
    return Docs(
        operation_id="softmax",
        tag="operations",
        summary="Raw logits → probabilities",
        description="Computed in float64, shifted by the row's maximum: no finite logits overflow.",
        request=SOFTMAX_REQUEST,
        reply=SoftmaxReply,
        errors=errors_of_path(*SOFTMAX_ERRORS),
        examples=_softmax_examples(),
    )


def _predict_docs(operation_id: str, summary: str, description: str, examples: Examples) -> Docs:
    return Docs(
        operation_id=operation_id,
        tag="operations",
        summary=summary,
        description=description,
        request=PREDICT_REQUEST,
        reply=PredictReply,
        errors=errors_of_path(*MODEL_ERRORS),
        examples=examples,
    )


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
        name: (body, orjson.loads(encode_softmax(decode_softmax(orjson.dumps(body), _any_size))))
        for name, body in bodies.items()
    }


def _any_size(rows: int, classes: int, request: SoftmaxRequest) -> None:
    """Accept an example of any size."""


def _predict_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    low, high = example_rows(model.manifest)
    by_name = example_records(model.manifest)[0]
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
