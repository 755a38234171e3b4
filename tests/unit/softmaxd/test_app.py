from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from softmaxd.app import create_app
from softmaxd.http.lifecycle import UNANSWERED
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear, publish


def get(models: Path, error: Exception) -> httpx.Response:
    """Return what the application answers when a route of it raises."""
    publish(models, 1, linear().SerializeToString())
    app = create_app(Settings(models_dir=models))

    @app.get("/fail")
    async def fail() -> None:
        raise error

    return ask(app, "GET", "/fail")


def test_a_bug_is_a_bare_500(tmp_path: Path) -> None:
    response = get(tmp_path, ZeroDivisionError("a secret"))

    assert (response.status_code, response.json()) == (500, {"detail": "Internal Server Error"})


def test_a_client_that_has_left_is_no_bug(tmp_path: Path) -> None:
    assert get(tmp_path, ClientDisconnect()).status_code == UNANSWERED


def test_settings_come_from_the_environment_unless_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    monkeypatch.setenv("SOFTMAXD_MODELS_DIR", str(tmp_path))

    paths = {operation.path for operation in create_app().state.operations}

    assert "/models/{name}/predict" in paths


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nothing", {"detail": "Not Found"}),
        ("/v1/nothing", {"error": "Not Found"}),
        ("/v2/nothing", {"error": "Not Found"}),
        ("/v1nothing", {"detail": "Not Found"}),
    ],
)
def test_an_unknown_path_is_refused_in_the_form_of_its_protocol(path: str, body: object, tmp_path: Path) -> None:
    response = ask(create_app(Settings(models_dir=tmp_path)), "GET", path)

    assert (response.status_code, response.json()) == (404, body)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/ml/nothing", 404, {"detail": "Not Found"}),
        ("/ml/v1/nothing", 404, {"error": "Not Found"}),
        ("/ml/v2/nothing", 404, {"error": "Not Found"}),
        ("/ml/v2/models/x/infer", 405, {"error": "Method Not Allowed"}),
    ],
)
def test_a_mounted_application_keeps_the_form_of_each_protocol(
    path: str, status: int, body: object, tmp_path: Path
) -> None:
    outer = FastAPI()
    outer.mount("/ml", create_app(Settings(models_dir=tmp_path)))

    response = ask(outer, "GET", path)

    assert (response.status_code, response.json()) == (status, body)
    assert ask(outer, "GET", "/ml/").json()["docs"] == "/ml/docs"
    assert ask(outer, "GET", "/ml/openapi.json").json()["servers"][0] == {"url": "/ml"}


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/models/\0", b"", 404),
        ("/models/\ud800", b"", 404),
        ("/v2/models/\ud800/infer", b"", 405),
        ("/docs/assets/\ud800", b"", 404),
        ("/docs/assets/\0", b"", 404),
        ("/docs/assets/../../x", b"", 404),
        ("/docs/assets/" + "x" * 100_000, b"", 404),
        ("/models/blobs/versions/" + "9" * 100_000, b"", 404),
        ("nothing", b"", 404),
        ("/nothing", b"\xff", 404),
        ("/predict", b"\xff=%ff", 405),
        ("/models", b"x" * 100_000, 200),
    ],
    ids=range(12),
)
def test_any_path_and_query_that_a_server_hands_on_is_answered(
    path: str, query: bytes, status: int, tmp_path: Path
) -> None:
    app = create_app(Settings(models_dir=tmp_path))

    async def odd(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": path, "query_string": query}, receive, send)

    response = ask(odd, "GET", "/")

    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")


def test_the_documentation_and_the_metrics_need_no_model(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path))

    assert "swagger-ui" in ask(app, "GET", "/docs").text
    assert "softmaxd_" in ask(app, "GET", "/metrics").text
    assert ask(app, "GET", "/openapi.json").json() == app.openapi()


def test_the_metrics_name_each_version_with_its_state_and_provider(tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"no model")

    metrics = ask(create_app(Settings(models_dir=tmp_path)), "GET", "/metrics").text

    info = 'softmaxd_model_info{model="linear",version="%d",state="%s",provider="%s"} 1'
    assert info % (1, "ready", "CPUExecutionProvider") in metrics
    assert info % (2, "rejected", "") in metrics


def test_the_documentation_works_behind_a_proxy_that_strips_a_prefix(tmp_path: Path) -> None:
    app = create_app(Settings(models_dir=tmp_path))

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/ai"}, receive, send)

    page = ask(behind, "GET", "/docs").text
    assert "url: 'openapi.json'" in page
    assert 'src="docs/assets/swagger-ui-bundle.js"' in page
    assert ask(behind, "GET", "/openapi.json").json()["servers"][0] == {"url": "/ai"}
