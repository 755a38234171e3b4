from pathlib import Path

import pytest
from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.models.versions import State, Version
from softmaxd.protocols.v1.routes import status_of
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """The application with two versions of a model, of which the higher is rejected."""
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"no model")
    return create_app(Settings(models_dir=tmp_path))


def test_the_models_are_listed_once_by_name(app: FastAPI) -> None:
    assert ask(app, "GET", "/v1/models").json() == {"models": ["linear"]}


def test_the_state_of_a_model_has_all_versions_the_highest_first(app: FastAPI) -> None:
    status = ask(app, "GET", "/v1/models/linear").json()

    assert (status["name"], status["ready"]) == ("linear", True)
    assert [(each["version"], each["state"]) for each in status["model_version_status"]] == [
        ("2", "END"),
        ("1", "AVAILABLE"),
    ]
    rejected, available = (each["status"] for each in status["model_version_status"])
    assert (rejected["error_code"], available) == ("INVALID_ARGUMENT", {"error_code": "OK", "error_message": ""})
    assert rejected["error_message"]


def test_the_metadata_have_a_signature_for_each_output(app: FastAPI) -> None:
    for path in ("/v1/models/linear/metadata", "/v1/models/linear/versions/1/metadata"):
        metadata = ask(app, "GET", path).json()
        signatures = metadata["metadata"]["signature_def"]["signature_def"]

        assert metadata["model_spec"] == {"name": "linear", "signature_name": "", "version": "1"}
        assert {name: list(each["outputs"]) for name, each in signatures.items()} == {
            "serving_default": ["probabilities"],
            "logits": ["logits"],
        }
        assert signatures["logits"]["inputs"]["features"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize("verb", ["predict", "classify"])
def test_a_get_of_a_verb_is_no_model_of_that_name(app: FastAPI, verb: str) -> None:
    response = ask(app, "GET", f"/v1/models/linear:{verb}")

    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")


def test_an_unknown_model_is_not_found(app: FastAPI) -> None:
    for path in ("/v1/models/nothing", "/v1/models/linear/versions/9", "/v1/models/nothing/metadata"):
        response = ask(app, "GET", path)
        assert (response.status_code, list(response.json())) == (404, ["error"])


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("ready", ("AVAILABLE", "OK", "")),
        ("loading", ("LOADING", "OK", "")),
        ("rejected", ("END", "INVALID_ARGUMENT", "why")),
        ("unloaded", ("END", "OK", "")),
    ],
)
def test_every_state_has_its_name(state: State, expected: tuple[str, str, str]) -> None:
    (status,) = status_of([Version("any", 1, state, reason="why")])["model_version_status"]

    assert (status["state"], status["status"]["error_code"], status["status"]["error_message"]) == expected
