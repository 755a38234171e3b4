import hashlib
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.errors import InvalidBody
from softmaxd.protocols.v2.changes import refuse_upload
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish

KEY = "a secret"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    publish(tmp_path, 1, linear().SerializeToString())
    return create_app(Settings(models_dir=tmp_path, admin_keys=(hashlib.sha256(KEY.encode()).hexdigest(),)))


def change(app: FastAPI, verb: str, name: str = "linear", key: str = KEY, body: bytes = b"") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return ask(app, "POST", f"/v2/repository/models/{name}/{verb}", headers=headers, content=body)


def test_an_unloaded_model_is_not_served_until_it_is_loaded(app: FastAPI) -> None:
    assert change(app, "unload").json() == {}
    assert ask(app, "GET", "/v2/models").json() == {"models": []}

    assert change(app, "load").json() == {}
    assert ask(app, "GET", "/v2/models").json() == {"models": ["linear"]}


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_a_change_needs_the_key(app: FastAPI, verb: str) -> None:
    assert change(app, verb, key="another").status_code == 401


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_an_unknown_model_is_not_found(app: FastAPI, verb: str) -> None:
    assert change(app, verb, name="nothing").status_code == 404


def test_a_model_that_cannot_be_loaded_is_refused_with_the_reason(app: FastAPI, tmp_path: Path) -> None:
    publish(tmp_path, 2, b"no model", name="broken")

    response = change(app, "load", name="broken")

    assert response.status_code == 400
    assert response.json()["error"].startswith("model.onnx is not an ONNX file")


@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"file:1/model.onnx": ""}])
def test_a_configuration_and_files_are_refused(parameters: dict[str, object]) -> None:
    with pytest.raises(InvalidBody):
        refuse_upload({"parameters": parameters})


@pytest.mark.parametrize("parameters", [None, {}, {"config": None}, {"unload_dependents": True}])
def test_other_parameters_are_ignored(parameters: dict[str, object] | None) -> None:
    refuse_upload({"parameters": parameters})
