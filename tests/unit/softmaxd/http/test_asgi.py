"""The ASGI lane in this process, on an ASGI server that is not uvicorn."""

import asyncio
from typing import NoReturn

import httpx
import pytest
from fastapi import FastAPI

from softmaxd.http.asgi import add_operations
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.operation import Operation
from softmaxd.metrics.metrics import Metrics
from tests.support.operations import Echo, changed


def post(operation: Operation) -> httpx.Response:
    app = FastAPI()
    add_operations(app, [operation], Lifecycle(), Metrics(), max_body_bytes=100)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.post("/echo", content=b"{}")

    return asyncio.run(ask())


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError("a secret")


def test_an_operation_without_a_model_is_answered() -> None:
    response = post(Echo())

    assert (response.status_code, response.text) == (200, "{}")


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_a_bug_is_a_bare_500_and_its_traceback_is_logged(step: str, caplog: pytest.LogCaptureFixture) -> None:
    response = post(changed(Echo(), **{step: broken}))

    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "a secret" in caplog.text
