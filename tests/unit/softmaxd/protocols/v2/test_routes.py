from pathlib import Path

import pytest
from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish

MODEL = "/v2/models/linear"
VERSION = f"{MODEL}/versions/1"


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    """The application with two versions of a model."""
    for version in (1, 2):
        publish(tmp_path, version, linear().SerializeToString())
    return create_app(Settings(models_dir=tmp_path, max_rows=123))


def test_the_server_tells_its_name_with_and_without_a_slash(app: FastAPI) -> None:
    server = ask(app, "GET", "/v2").json()

    assert server["name"] == "softmaxd"
    assert ask(app, "GET", "/v2/").json() == server


def test_the_process_is_alive_without_a_model_but_not_ready(
    app: FastAPI, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = create_app(Settings(models_dir=tmp_path_factory.mktemp("empty")))

    assert ask(empty, "GET", "/v2/health/live").json() == {"live": True}
    assert ask(empty, "GET", "/v2/health/ready").status_code == 503
    assert ask(app, "GET", "/v2/health/ready").json() == {"ready": True}


def test_a_model_is_described_with_all_its_versions(app: FastAPI) -> None:
    assert ask(app, "GET", "/v2/models").json() == {"models": ["linear"]}
    assert ask(app, "GET", MODEL).json()["versions"] == ["1", "2"]
    assert ask(app, "GET", VERSION).json()["versions"] == ["1"]


def test_a_model_and_each_of_its_versions_are_ready(app: FastAPI) -> None:
    for path in (MODEL, VERSION):
        assert ask(app, "GET", f"{path}/ready").json() == {"name": "linear", "ready": True}


def test_the_configuration_has_the_most_rows_of_a_request(app: FastAPI) -> None:
    for path in (MODEL, VERSION):
        assert ask(app, "GET", f"{path}/config").json()["max_batch_size"] == 123


@pytest.mark.parametrize(
    ("path", "versions"),
    [("/v2/models/stats", ["1", "2"]), (f"{MODEL}/stats", ["1", "2"]), (f"{VERSION}/stats", ["1"])],
)
def test_statistics_are_of_every_version_or_of_one(app: FastAPI, path: str, versions: list[str]) -> None:
    assert [each["version"] for each in ask(app, "GET", path).json()["model_stats"]] == versions


@pytest.mark.parametrize("page", ["", "/ready", "/config", "/stats"])
def test_an_unknown_model_or_version_is_not_found(app: FastAPI, page: str) -> None:
    for path in ("/v2/models/nothing", f"{MODEL}/versions/9"):
        response = ask(app, "GET", path + page)
        assert (response.status_code, list(response.json())) == (404, ["error"])
