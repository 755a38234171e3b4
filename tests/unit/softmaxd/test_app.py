import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.requests import ClientDisconnect

from softmaxd.app import create_app
from softmaxd.http.lifecycle import UNANSWERED
from softmaxd.settings import Settings
from tests.support.onnx_models import linear, publish


def get(models: Path, error: Exception) -> httpx.Response:
    """Return what the application answers when a route of it raises."""
    publish(models, 1, linear().SerializeToString())
    app = create_app(Settings(models_dir=models))

    @app.get("/fail")
    async def fail() -> None:
        raise error

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/fail")

    return asyncio.run(ask())


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
