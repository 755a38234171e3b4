"""Errors in the form of `/v1`, and its paths in the express lane."""

import json
from collections.abc import Iterator

import pytest

from softmaxd.app import create_app
from softmaxd.errors import (
    AnswerTooLarge,
    CannotRun,
    InternalError,
    InvalidBody,
    OutputNotFinite,
    ServiceError,
    Unroutable,
    UnsupportedMediaType,
)
from softmaxd.http.targets import Targets
from softmaxd.models.answers import AnswerLimits
from softmaxd.models.repository import Repository
from softmaxd.protocols.v1 import operations as v1
from softmaxd.settings import Settings
from tests.support.paths import MODELS

OTHERS = {CannotRun, InternalError, InvalidBody, OutputNotFinite, Unroutable}  # made with other arguments


def errors(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Give all classes of errors that have a status."""
    for each in kind.__subclasses__():
        yield each
        yield from errors(each)


@pytest.mark.parametrize("kind", sorted(set(errors()) - OTHERS, key=str))
def test_an_error_keeps_its_status_and_headers(kind: type[ServiceError]) -> None:
    reply = v1.refuse(kind("why"))

    assert (reply.status, reply.media_type, json.loads(reply.body)) == (
        kind.status,
        b"application/json",
        {"error": "why"},
    )
    assert {(name.lower().encode(), value.encode()) for name, value in kind.headers.items()} <= set(reply.headers)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InvalidBody({"type": "missing", "loc": ["examples"], "msg": "Field required"}), "examples: Field required"),
        (OutputNotFinite(3), "Row 3 has numbers for which the model's output is not finite"),
        (CannotRun("idx=5"), "The model cannot run these rows: idx=5"),
    ],
)
def test_a_wrong_body_is_400(error: ServiceError, sentence: str) -> None:
    reply = v1.refuse(error)

    assert (reply.status, json.loads(reply.body)) == (400, {"error": sentence})


def test_a_refusal_of_the_framework_keeps_its_status_and_headers() -> None:
    reply = v1.refuse(Unroutable(405, "No", {"Allow": "POST"}))

    assert (reply.status, json.loads(reply.body)) == (405, {"error": "No"})
    assert reply.headers == ((b"allow", b"POST"),)


def test_a_bug_is_a_bare_500() -> None:
    reply = v1.refuse(InternalError())

    assert (reply.status, json.loads(reply.body)) == (500, {"error": "Internal Server Error"})


@pytest.mark.parametrize("verb", ["predict", "classify"])
@pytest.mark.parametrize(("path", "version"), [("/v1/models/blobs", None), ("/v1/models/blobs/versions/1", "1")])
def test_the_express_lane_knows_the_paths(path: str, version: str | None, verb: str) -> None:
    targets = Targets(create_app(Settings(models_dir=MODELS)).state.operations)

    found = targets.find(f"{path}:{verb}".encode())

    assert found is not None
    operation, *names = found
    assert operation.path.endswith(f":{verb}")
    assert names == ["blobs", version]


def test_any_content_type_is_taken_but_no_compressed_body() -> None:
    operation = create_app(Settings(models_dir=MODELS)).state.operations[-1]

    operation.check([(b"content-type", b"application/x-www-form-urlencoded")])
    with pytest.raises(UnsupportedMediaType):
        operation.check([(b"content-encoding", b"gzip")])
    assert operation.refuse(UnsupportedMediaType("No")).headers == ((b"accept-encoding", b"identity"),)


@pytest.mark.parametrize(
    ("verb", "body", "limits"),
    [
        ("predict", {"instances": [[1, 2]] * 3}, AnswerLimits(numbers=8, size=1)),
        ("classify", {"examples": [{"x1": 1, "x2": 2}] * 3}, AnswerLimits(numbers=8, size=1000)),
        ("classify", {"examples": [{"x1": 1, "x2": 2}] * 3}, AnswerLimits(numbers=1000, size=120)),
    ],
)
def test_an_answer_beyond_the_limits_is_refused(verb: str, body: object, limits: AnswerLimits) -> None:
    repository = Repository(Settings(models_dir=MODELS))
    operation = next(
        each for each in v1.operations(repository, limits, None, max_rows=10) if each.path == f"{v1.MODEL}:{verb}"
    )

    with pytest.raises(AnswerTooLarge, match=r"fit: 2$"):
        operation.decode(json.dumps(body).encode(), (), repository.find("blobs"))
