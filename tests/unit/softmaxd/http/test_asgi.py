"""The ASGI lane in this process, on an ASGI server that is not uvicorn."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import httpx
import pytest
from fastapi import FastAPI

from softmaxd.http.asgi import endpoint
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.operation import Job, Operation, Reply
from softmaxd.metrics.metrics import Metrics

OPERATION = Operation(
    path="/echo",
    find=lambda _name, _version: None,
    check=lambda _headers: None,
    decode=lambda _body, _headers, _model: Job(None),
    encode=lambda _outputs, _job: Reply(b"{}"),
    refuse=lambda error: Reply(error.detail.encode(), error.status),
)


def post(operation: Operation) -> httpx.Response:
    app = FastAPI()
    app.add_api_route("/echo", endpoint(operation, Lifecycle(), Metrics(), max_body_bytes=100), methods=["POST"])

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/echo", content=b"{}")

    return asyncio.run(ask())


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError("a secret")


def test_an_operation_without_a_model_is_answered() -> None:
    response = post(OPERATION)

    assert (response.status_code, response.text) == (200, "{}")


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_a_bug_is_a_bare_500_and_its_traceback_is_logged(step: str, caplog: pytest.LogCaptureFixture) -> None:
    steps: dict[str, Callable[..., NoReturn]] = {step: broken}
    response = post(replace(OPERATION, **steps))  # type: ignore[arg-type]

    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "a secret" in caplog.text
