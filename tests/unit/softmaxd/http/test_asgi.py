"""The ASGI lane in this process, on an ASGI server that is not uvicorn."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import Message

from softmaxd.http.asgi import add_operations, declared_bytes
from softmaxd.http.operation import Job, Operation
from softmaxd.metrics.metrics import Metrics
from tests.support.asgi import ask
from tests.support.operations import Echo, changed

MAX_BODY_BYTES = 100


def serve(operation: Operation) -> FastAPI:
    app = FastAPI()
    add_operations(app, [operation], Metrics(), max_body_bytes=MAX_BODY_BYTES)
    return app


def broken(*_: object) -> NoReturn:
    raise ZeroDivisionError("a secret")


def test_an_operation_without_a_model_is_answered() -> None:
    response = ask(serve(Echo()), "POST", "/echo", content=b"{}")

    assert (response.status_code, response.text) == (200, "{}")


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_a_bug_is_a_bare_500_and_its_traceback_is_logged(step: str, caplog: pytest.LogCaptureFixture) -> None:
    response = ask(serve(changed(Echo(), **{step: broken})), "POST", "/echo", content=b"{}")

    assert (response.status_code, response.text) == (500, "Internal Server Error")
    assert "a secret" in caplog.text


async def chunks() -> AsyncIterator[bytes]:
    for _ in range(2):
        yield bytes(MAX_BODY_BYTES // 2 + 1)


@pytest.mark.parametrize("body", [bytes(MAX_BODY_BYTES + 1), chunks()], ids=["declared", "in chunks"])
def test_a_body_above_the_limit_is_refused(body: bytes | AsyncIterator[bytes]) -> None:
    response = ask(serve(Echo()), "POST", "/echo", content=body)

    assert (response.status_code, response.text) == (413, "The body is larger than 100 bytes")


class Endless:
    """Stands for a batcher whose run does not end; `left` tells that its caller has gone."""

    left = False

    async def predict(self, _features: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


def test_rows_leave_their_batch_when_their_client_leaves() -> None:
    batcher = Endless()
    operation = changed(
        Echo(),
        find=lambda *_: SimpleNamespace(batcher=batcher, manifest=SimpleNamespace(name="m", version=1)),
        decode=lambda *_: Job(np.zeros((1, 2), np.float32)),
    )
    arriving: list[Message] = [{"type": "http.request", "body": b"{}"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        await asyncio.sleep(0)  # lets the model begin
        return arriving.pop(0)

    async def send(_message: Message) -> None:
        """Take any message."""

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    with pytest.raises(ClientDisconnect):
        asyncio.run(serve(operation)(scope, receive, send))

    assert batcher.left


@pytest.mark.parametrize(
    ("content_length", "number"),
    [
        ("0", 0),
        ("28", 28),
        ("28 ", 28),
        ("0" * 5000 + "28", 28),
        ("9" * 5000, int("9" * 20)),
        ("", 0),
        ("x", 0),
        ("-1", 0),
        ("\xb2", 0),
        ("\u0661", 0),
    ],
)
def test_a_content_length_of_any_form_is_read(content_length: str, number: int) -> None:
    assert declared_bytes(content_length) == number


@pytest.mark.parametrize(("content_length", "status"), [("9" * 5000, 413), ("x", 200)])
def test_a_content_length_of_any_form_is_answered(content_length: str, status: int) -> None:
    response = ask(serve(Echo()), "POST", "/echo", content=b"{}", headers={"content-length": content_length})

    assert response.status_code == status
