"""The operations of `/v1`: `:predict` and `:classify`, by model and version."""

from typing import Any

import orjson

from softmaxd.errors import ServiceError
from softmaxd.http.openapi import Docs, Examples, Responses, error_responses, example_records, example_rows, examples_of
from softmaxd.http.operation import Headers, Operation, Reply
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.features import INPUT
from softmaxd.models.model import Find, Model
from softmaxd.models.outputs import Outputs
from softmaxd.models.repository import Repository
from softmaxd.protocols.protocol import (
    MODEL_ERRORS,
    PLAIN_ONLY,
    content_headers,
    refuse_compressed,
    refuse_in_one_sentence,
    status_of_others,
)
from softmaxd.protocols.v1.codec import (
    ClassifyJob,
    PredictJob,
    decode_classify,
    decode_predict,
    encode_classify,
    encode_predict,
)
from softmaxd.protocols.v1.schemas import CLASSIFY_REQUEST, PREDICT_REQUEST, V1Classifications, V1Error, V1Predictions

ERRORS = (V1Error,)  # the bodies of refusals
PREFIX = "/v1"  # of its paths
MODEL = "/v1/models/{name}"
VERSION_HEADER = b"x-model-version"
PAIR_BYTES = len("[,],")  # around a label and its score
VERSION = MODEL + "/versions/{version}"
# path, ending of the operation id, subject of the summary
PATHS = ((MODEL, "", "of a model"), (VERSION, "_version", "of one version of a model"))


class V1Operation(Operation):
    """An operation on rows, with bodies of any content type: `curl -d` calls them a form."""

    def __init__(self, path: str, docs: Docs, find: Find, limits: AnswerLimits, *, max_rows: int) -> None:
        super().__init__(path, docs, find)
        self._limits = limits
        self._max_rows = max_rows

    def check(self, headers: Headers) -> None:
        """Refuse a compressed body."""
        refuse_compressed(content_headers(headers))

    def refuse(self, error: ServiceError) -> Reply:
        return refuse(error)


class Predict(V1Operation):
    def decode(self, body: bytes, headers: Headers, model: Model | None) -> PredictJob:
        assert model is not None
        job = decode_predict(body, model.manifest, max_rows=self._max_rows)
        self._limits.check(len(job.features), numbers=len(model.manifest.labels))
        return job

    def encode(self, outputs: Outputs, job: PredictJob) -> Reply:
        return _reply(encode_predict(outputs, job), job)


class Classify(V1Operation):
    def decode(self, body: bytes, headers: Headers, model: Model | None) -> ClassifyJob:
        assert model is not None
        job = decode_classify(body, model.manifest, max_rows=self._max_rows)
        classes, label_bytes = len(job.labels), model.manifest.label_bytes[-1]
        self._limits.check(len(job.features), numbers=classes, size=label_bytes + classes * PAIR_BYTES)
        return job

    def encode(self, outputs: Outputs, job: ClassifyJob) -> Reply:
        return _reply(encode_classify(outputs, job), job)


def operations(models: Repository, limits: AnswerLimits, shown: Model | None, *, max_rows: int) -> list[Operation]:
    """Return the operations of `/v1`, the hottest first; examples are of the model that is `shown`."""
    predictions = examples_of(shown, _predict_examples)
    classifications = examples_of(shown, _classify_examples)
    predict = [
        Predict(path + ":predict", _predict_docs(ending, subject, predictions), models.find, limits, max_rows=max_rows)
        for path, ending, subject in PATHS
    ]
    classify = [
        Classify(
            path + ":classify", _classify_docs(ending, subject, classifications), models.find, limits, max_rows=max_rows
        )
        for path, ending, subject in PATHS
    ]
    return [*predict, *classify]


def _reply(body: bytes, job: PredictJob | ClassifyJob) -> Reply:
    """Return an answer whose header names the version that answered: bodies of this protocol have no place for it."""
    return Reply(body, headers=((VERSION_HEADER, b"%d" % job.version),))


def refuse(error: ServiceError) -> Reply:
    """Return an error in the form of `/v1`."""
    return refuse_in_one_sentence(error, PLAIN_ONLY)


def errors_of_path(*errors: type[ServiceError]) -> Responses:
    """Return the errors of a path for the OpenAPI document."""
    return error_responses(errors, lambda error: (status_of_others(error, error.status), V1Error))


def _predict_docs(ending: str, subject: str, examples: Examples) -> Docs:
    return Docs(
        operation_id=f"v1_predict{ending}",
        tag="v1",
        summary=f"Rows → probabilities or logits {subject}",
        request=PREDICT_REQUEST,
        reply=V1Predictions,
        errors=errors_of_path(*MODEL_ERRORS),
        examples=examples,
    )


def _classify_docs(ending: str, subject: str, examples: Examples) -> Docs:
    return Docs(
        operation_id=f"v1_classify{ending}",
        tag="v1",
        summary=f"Examples → labels and scores {subject}",
        request=CLASSIFY_REQUEST,
        reply=V1Classifications,
        errors=errors_of_path(*MODEL_ERRORS),
        examples=examples,
    )


def _predict_examples(model: Model) -> Examples:
    """Return requests to this model with its answers."""
    rows = example_rows(model.manifest)
    records = example_records(model.manifest)
    columns = {name: [record[name] for record in records] for name in records[0]}
    bodies: dict[str, Any] = {
        "instances": {"instances": rows},
        "inputs": {"inputs": {INPUT: rows} if model.manifest.takes_array else columns, "signature_name": "logits"},
    }
    examples = {}
    for name, body in bodies.items():
        job = decode_predict(orjson.dumps(body), model.manifest, max_rows=2)
        examples[name] = (body, orjson.loads(encode_predict(model.run(job.features), job)))
    return examples


def _classify_examples(model: Model) -> Examples:
    body = {"examples": example_records(model.manifest)}
    job = decode_classify(orjson.dumps(body), model.manifest, max_rows=2)
    return {"examples": (body, orjson.loads(encode_classify(model.run(job.features), job)))}
