import httpx
import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

from softmaxd.errors import Forbidden
from softmaxd.http.origins import Cors, check_origin
from tests.support.asgi import ask

ALLOWED = ["https://example.com", "http://localhost:3000"]
SIMPLE_TYPES = ["text/plain", "TEXT/plain; charset=utf-8", "multipart/form-data; boundary=x", " ", None]
SIMPLE_TYPES.append("application/x-www-form-urlencoded")


def check(origin: str | None, content_type: str | None, host: str = "ml.test", allowed: list[str] = ALLOWED) -> None:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    check_origin(headers, allowed)


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "http://ml.test.evil.test", "\xff", "", "https://example.com:1"]
)
@pytest.mark.parametrize("content_type", SIMPLE_TYPES)
def test_a_foreign_page_may_not_post_what_needs_no_preflight(origin: str, content_type: str | None) -> None:
    with pytest.raises(Forbidden, match="cors_origins"):
        check(origin, content_type)


@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream", "text/json"])
def test_a_type_that_needs_a_preflight_is_left_to_it(content_type: str) -> None:
    check("http://evil.test", content_type)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://ml.test", "ml.test"),
        ("http://ml.test", "ML.test:80"),
        ("https://ml.test", "ml.test"),
        ("https://ml.test", "ml.test:443"),
        ("http://ml.test:8000", "ml.test:8000"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://example.com", "ml.test"),
        ("http://localhost:3000", "ml.test"),
        (None, "ml.test"),
    ],
)
def test_the_own_page_an_allowed_one_and_no_page_may_post(origin: str | None, host: str) -> None:
    check(origin, "text/plain", host)


def test_any_page_may_post_if_the_setting_says_so() -> None:
    check("http://evil.test", "text/plain", allowed=["*"])


@pytest.mark.parametrize("headers", [[(b"origin", b"null")], [(b"origin", b"://"), (b"host", b"")]])
def test_a_page_without_an_origin_is_foreign_also_without_a_host(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Forbidden):
        check_origin(headers, [])


def test_one_foreign_origin_among_several_is_foreign() -> None:
    headers = [(b"host", b"ml.test"), (b"origin", b"http://ml.test"), (b"origin", b"http://evil.test")]

    with pytest.raises(Forbidden):
        check_origin(headers, [])


CORS = Cors(PlainTextResponse("yes"), ALLOWED)


def preflight(origin: str, method: str) -> httpx.Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type, x-trace",
        "Access-Control-Request-Private-Network": "true",
    }
    return ask(CORS, "OPTIONS", "/predict", headers=headers)


def test_a_preflight_of_an_allowed_origin_is_granted() -> None:
    response = preflight("http://localhost:3000", "POST")

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert response.headers["access-control-allow-headers"] == "content-type, x-trace"
    assert response.headers["access-control-allow-private-network"] == "true"
    assert "POST" in response.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("origin", "method", "detail"),
    [("http://evil.test", "POST", "Disallowed CORS origin"), ("https://example.com", "PUT", "Disallowed CORS method")],
)
def test_another_preflight_is_refused(origin: str, method: str, detail: str) -> None:
    headers = Headers({"Origin": origin, "Access-Control-Request-Method": method})

    with pytest.raises(Forbidden, match=detail):
        CORS.preflight_response(headers)


def test_an_answer_is_readable_for_an_allowed_origin_only() -> None:
    allowed, other = (ask(CORS, "GET", "/", headers={"Origin": origin}) for origin in (ALLOWED[0], "http://evil.test"))

    assert allowed.headers["access-control-allow-origin"] == ALLOWED[0]
    assert "Retry-After" in allowed.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in other.headers
    assert allowed.headers["vary"] == other.headers["vary"] == "Origin"


def test_the_answer_to_a_post_of_no_browser_is_not_touched() -> None:
    assert "vary" not in ask(CORS, "POST", "/").headers
    assert ask(CORS, "GET", "/").headers["vary"] == "Origin"
