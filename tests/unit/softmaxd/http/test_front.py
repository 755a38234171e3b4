import asyncio

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.http.front import Front, complete_allow
from tests.support.asgi import ask


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with the method, in two parts."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": scope["method"].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"!", "more_body": False})


def test_a_get_is_answered_as_it_is() -> None:
    assert ask(Front(answer), "GET", "/").text == "GET!"


def messages(app: ASGIApp, scope: Scope) -> list[Message]:
    """Return what the application sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        await app(scope, receive, send)

    asyncio.run(run())
    return sent


def test_a_head_is_a_get_without_the_body() -> None:
    start, *bodies = messages(Front(answer), {"type": "http", "method": "HEAD", "path": "/", "headers": []})

    assert start["headers"][0] == (b"content-length", b"4")
    assert [(each["body"], each["more_body"]) for each in bodies] == [(b"", True), (b"", False)]


@pytest.mark.parametrize(("given", "used"), [(None, "/ml"), ("", "/ml"), ("/mounted", "/mounted")])
def test_the_prefix_of_a_mount_wins(given: str | None, used: str) -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["root_path"])

    messages(Front(app, root_path="/ml"), scope if given is None else {**scope, "root_path": given})

    assert seen == [used]


def test_other_scopes_are_passed_on() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    messages(Front(app), {"type": "lifespan"})

    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("allow", "complete"),
    [("GET", "GET, HEAD, OPTIONS"), ("POST", "OPTIONS, POST"), ("HEAD, GET", "GET, HEAD, OPTIONS")],
)
def test_the_methods_of_a_path_are_complete(allow: str, complete: str) -> None:
    assert complete_allow(allow) == complete
