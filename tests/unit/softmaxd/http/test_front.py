import asyncio

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softmaxd.errors import ServiceError
from softmaxd.http.front import Front, complete_allow
from softmaxd.http.operation import Reply
from softmaxd.metrics.metrics import Metrics
from softmaxd.settings import Settings
from tests.support.asgi import ask


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer with the method, in two parts."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": scope["method"].encode(), "more_body": True})
    await send({"type": "http.response.body", "body": b"!", "more_body": False})


def refuse(path: str, error: ServiceError) -> Reply:
    return Reply(f"{path}: {error.detail}".encode(), error.status)


def front(app: ASGIApp, settings: Settings = Settings()) -> Front:  # noqa: B008 - it is frozen
    return Front(app, settings, refuse, Metrics())


def test_a_get_is_answered_as_it_is() -> None:
    assert ask(front(answer), "GET", "/").text == "GET!"


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


@pytest.mark.parametrize(("method", "expected"), [("GET", 307), ("HEAD", 307), ("POST", 200)])
def test_the_prefix_alone_leads_to_the_page_below_it(method: str, expected: int) -> None:
    response = ask(front(answer, Settings(root_path="/ml")), method, "/ml")

    assert response.status_code == expected
    assert response.headers.get("location") == ("/ml/" if expected == 307 else None)


def test_a_head_is_a_get_without_the_body() -> None:
    start, *bodies = messages(front(answer), {"type": "http", "method": "HEAD", "path": "/", "headers": []})

    assert start["headers"][1] == (b"content-length", b"4")
    assert [(each["body"], each["more_body"]) for each in bodies] == [(b"", True), (b"", False)]


def test_ids_come_first_and_are_those_of_the_connection_if_it_has_some() -> None:
    state = {"other": 1}
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"x-request-id", b"7")], "state": state}
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"])
        await answer(scope, receive, send)

    start, *_ = messages(front(app), scope)
    assert start["headers"] == [(b"x-request-id", b"7"), (b"content-length", b"4")]
    assert state == {"other": 1}  # a server may give the same one to every request
    assert seen == [{"other": 1, "ids": ((b"x-request-id", b"7"),), "stages": None}]

    ids = ((b"x-request-id", b"8"), (b"traceparent", b"00-%s-%s-01" % (b"ab" * 16, b"cd" * 8)))
    start, *_ = messages(front(app), {**scope, "state": {"ids": ids}})
    assert start["headers"][:2] == list(ids)


@pytest.mark.parametrize(("given", "used"), [(None, "/ml"), ("", "/ml"), ("/mounted", "/mounted")])
def test_the_prefix_of_a_mount_wins(given: str | None, used: str) -> None:
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    seen: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["root_path"])

    messages(front(app, Settings(root_path="/ml")), scope if given is None else {**scope, "root_path": given})

    assert seen == [used]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_browsers_do_not_guess_the_type_of_an_answer_to_a_get(method: str) -> None:
    response = ask(front(answer), method, "/")

    assert response.headers.get("x-content-type-options") == (None if method == "POST" else "nosniff")


@pytest.mark.parametrize("path", ["/x", "/ml/x"])
def test_another_host_is_refused_and_counted(path: str) -> None:
    app = front(answer, Settings(allowed_hosts=("example.com",), root_path="/ml"))

    response = ask(app, "GET", path, headers={"X-Request-ID": "7"})
    head = ask(app, "HEAD", path, headers={"X-Request-ID": "7"})

    assert (response.status_code, response.text.partition(";")[0]) == (421, "/x: The service is not for this Host")
    assert "allowed_hosts" in response.text
    assert (head.status_code, head.content, head.headers) == (421, b"", response.headers)
    assert 'softmaxd_rejections_total{reason="misdirected",model="",version=""} 2' in app.metrics.render().decode()
    assert ask(app, "GET", path, headers={"Host": "example.com"}).text == "GET!"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"])
def test_a_probe_may_use_an_address_as_host(path: str) -> None:
    app = front(answer, Settings(allowed_hosts=("example.com",)))

    assert ask(app, "GET", path, headers={"Host": "10.0.3.7:8000"}).status_code == 200
    assert ask(app, "GET", "/models", headers={"Host": "10.0.3.7:8000"}).status_code == 421
    assert ask(app, "GET", path, headers={"Host": "evil.test"}).status_code == 421


def test_a_foreign_page_may_not_post_but_may_read_what_it_cannot_see() -> None:
    app, headers = front(answer), {"Origin": "http://evil.test"}

    assert ask(app, "POST", "/x", headers=headers).status_code == 403
    assert ask(app, "GET", "/x", headers=headers).status_code == 200
    assert "access-control-allow-origin" not in ask(app, "GET", "/x", headers=headers).headers


def test_an_allowed_page_gets_preflight_and_answer() -> None:
    app = front(answer, Settings(cors_origins=("https://example.com",)))
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}

    preflight = ask(app, "OPTIONS", "/x", headers=headers)
    answered = ask(app, "POST", "/x", headers=headers)
    refused = ask(app, "OPTIONS", "/x", headers={**headers, "Origin": "http://evil.test"})

    assert preflight.status_code == answered.status_code == 200
    assert answered.headers["access-control-allow-origin"] == "https://example.com"
    assert (refused.status_code, refused.text.partition(";")[0]) == (403, "/x: Disallowed CORS origin")


def test_other_scopes_are_passed_on() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    messages(front(app), {"type": "lifespan"})

    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize(
    ("allow", "complete"),
    [("GET", "GET, HEAD, OPTIONS"), ("POST", "OPTIONS, POST"), ("HEAD, GET", "GET, HEAD, OPTIONS")],
)
def test_the_methods_of_a_path_are_complete(allow: str, complete: str) -> None:
    assert complete_allow(allow) == complete
