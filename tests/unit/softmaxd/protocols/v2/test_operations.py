import gzip
import json
from pathlib import Path

import pytest

from softmaxd import errors
from softmaxd.access import Access
from softmaxd.errors import InvalidBody, Problem, ServiceError, UnsupportedMediaType
from softmaxd.models.outputs import NOT_ASKED
from softmaxd.models.repository import Repository
from softmaxd.models.versions import State, Version
from softmaxd.protocols.v2 import operations as v2
from softmaxd.settings import Settings
from tests.support.limits import NO_LIMITS
from tests.support.onnx_models import linear, publish


@pytest.mark.parametrize(
    ("error", "status", "message", "headers"),
    [
        (InvalidBody(Problem(type="x", loc=[], msg="Too long")), 400, "Too long", {}),
        (
            InvalidBody(Problem(type="x", loc=["inputs", 0], msg="A"), Problem(type="x", loc=["id"], msg="B")),
            400,
            "inputs[0]: A; id: B",
            {},
        ),
        (errors.OutputNotFinite(3), 400, "Row 3 has numbers for which the model's output is not finite", {}),
        (errors.CannotRun("idx=5"), 400, "The model cannot run these rows: idx=5", {}),
        (errors.ModelNotFound("None"), 404, "None", {}),
        (errors.Unroutable(405, "No", {"Allow": "GET"}), 405, "No", {b"allow": b"GET"}),
        (errors.RequestTimeout("Late"), 408, "Late", {b"connection": b"close"}),
        (errors.TooLarge("Large"), 413, "Large", {b"connection": b"close"}),
        (errors.UnsupportedMediaType("br"), 415, "br", {b"accept-encoding": b"gzip, deflate"}),
        (errors.QueueFull("Full"), 429, "Full", {b"retry-after": b"1"}),
        (errors.HeadersTooLarge("Long"), 431, "Long", {b"connection": b"close"}),
        (errors.InternalError(), 500, "Internal Server Error", {}),
        (errors.NotReady("Bye"), 503, "Bye", {b"retry-after": b"1"}),
        (errors.QueueTimeout("Old"), 504, "Old", {}),
    ],
)
def test_an_error_has_the_form_of_the_protocol(
    error: ServiceError, status: int, message: str, headers: dict[bytes, bytes]
) -> None:
    reply = v2.refuse(error)

    assert (reply.status, json.loads(reply.body)) == (status, {"error": message})
    assert reply.media_type == b"application/json"
    assert dict(reply.headers) == headers


def test_the_index_has_every_version_or_only_those_that_are_ready(tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"no model")
    models = Repository(Settings(models_dir=tmp_path))
    anyone = Access({}, is_open=True)
    *_, index = v2.operations(models, NO_LIMITS, anyone, None, max_rows=10, max_body_bytes=100)

    def versions(body: bytes, headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        index.check(headers)
        reply = index.encode(NOT_ASKED, index.decode(body, headers, None))
        return [(each["version"], each["state"]) for each in json.loads(reply.body)]

    assert versions(b"", []) == [("1", "READY"), ("2", "UNAVAILABLE")]
    assert versions(b'{"ready": true}', []) == [("1", "READY")]
    assert versions(gzip.compress(b'{"ready": true}'), [(b"content-encoding", b"gzip")]) == [("1", "READY")]


def test_an_unknown_encoding_is_refused_but_any_content_type_is_taken() -> None:
    v2.check_headers([(b"content-type", b"text/plain"), (b"content-encoding", b"deflate")])
    with pytest.raises(UnsupportedMediaType):
        v2.check_headers([(b"content-encoding", b"br")])


@pytest.mark.parametrize(
    ("state", "name"),
    [("ready", "READY"), ("loading", "LOADING"), ("rejected", "UNAVAILABLE"), ("unloaded", "UNAVAILABLE")],
)
def test_every_state_has_its_name(state: State, name: str) -> None:
    assert v2.entry_of(Version("any", 1, state, reason="why")) == {
        "name": "any",
        "version": "1",
        "state": name,
        "reason": "why",
    }
