import json

import pytest

from softmaxd.errors import CannotRun, InvalidBody, OutputNotFinite, QueueFull, UnsupportedMediaType
from softmaxd.models.outputs import NOT_ASKED
from softmaxd.models.repository import Repository
from softmaxd.protocols.native.operations import errors_of_path, operations, refuse
from softmaxd.settings import Settings
from tests.support.limits import NO_LIMITS
from tests.support.paths import MODELS

PREDICT, *_, SOFTMAX = operations(Repository(Settings(models_dir=MODELS)), NO_LIMITS, None, max_rows=10)


def test_softmax_asks_no_model_and_predict_asks_the_default_one() -> None:
    model = PREDICT.find(None, None)

    assert SOFTMAX.find(None, None) is None
    assert model is not None
    assert model.manifest.name == "blobs"


def test_an_operation_decodes_asks_and_encodes() -> None:
    model = PREDICT.find(None, None)
    assert model is not None
    job = PREDICT.decode(b'{"instances": [[1, 2], [3, 4]]}', (), model)
    assert job.features is not None

    reply = PREDICT.encode(model.run(job.features), job)

    assert (reply.status, reply.media_type) == (200, b"application/json")
    assert len(json.loads(reply.body)["labels"]) == 2


@pytest.mark.parametrize("content_type", [b"application/json", b"application/problem+json; charset=utf-8", b"", None])
def test_json_is_taken_also_without_a_media_type(content_type: bytes | None) -> None:
    SOFTMAX.check([] if content_type is None else [(b"content-type", content_type)])


@pytest.mark.parametrize(
    "header", [(b"content-type", b"text/plain"), (b"content-type", b"text/json"), (b"content-encoding", b"gzip")]
)
def test_another_media_type_or_encoding_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(UnsupportedMediaType):
        SOFTMAX.check([header])


def test_a_wrong_body_is_refused_with_a_list_of_problems() -> None:
    reply = refuse(InvalidBody({"type": "missing", "loc": ["logits"], "msg": "Field required"}))

    assert reply.status == 422
    assert json.loads(reply.body) == {"detail": [{"type": "missing", "loc": ["logits"], "msg": "Field required"}]}


def test_an_output_that_is_not_finite_is_a_problem_of_its_row() -> None:
    problem = json.loads(refuse(OutputNotFinite(3)).body)["detail"][0]

    assert (problem["type"], problem["loc"]) == ("too_large", ["instances", 3])


def test_rows_that_the_model_cannot_run_are_a_problem_of_the_body() -> None:
    reply = refuse(CannotRun("idx=5"))

    assert (reply.status, json.loads(reply.body)) == (
        422,
        {"detail": [{"type": "cannot_run", "loc": ["instances"], "msg": "The model cannot run these rows: idx=5"}]},
    )


def test_another_error_is_one_sentence() -> None:
    reply = PREDICT.refuse(QueueFull("Full"))

    assert (reply.status, json.loads(reply.body), reply.headers) == (429, {"detail": "Full"}, ((b"retry-after", b"1"),))


def test_a_415_says_that_bodies_are_not_compressed() -> None:
    assert PREDICT.refuse(UnsupportedMediaType("No")).headers == ((b"accept-encoding", b"identity"),)


def test_the_body_of_a_422_is_a_list_in_the_document() -> None:
    responses = errors_of_path(QueueFull, InvalidBody)

    schemas = {status: response["content"]["application/json"]["schema"] for status, response in responses.items()}
    assert schemas == {
        422: {"$ref": "#/components/schemas/BodyError"},
        429: {"$ref": "#/components/schemas/Error"},
    }


def test_the_examples_are_requests_with_their_answers() -> None:
    for operation in (PREDICT, SOFTMAX):
        model = operation.find(None, None)
        for body, answer in operation.docs.examples.values():
            job = operation.decode(json.dumps(body).encode(), (), model)
            outputs = model.run(job.features) if model is not None and job.features is not None else NOT_ASKED
            assert json.loads(operation.encode(outputs, job).body) == answer
