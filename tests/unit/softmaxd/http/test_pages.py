from base64 import b64encode
from hashlib import sha256

import pytest

from softmaxd.http.pages import assets, page, playground, wants_html
from tests.support.asgi import ask

ASSETS = assets("fastapi_swagger", "resources")


@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=x", "bytes=99999999-"])
def test_a_file_is_sent_whole_also_if_a_range_is_asked_for(value: str) -> None:
    whole = ask(ASSETS, "GET", "/swagger-ui.css")

    response = ask(ASSETS, "GET", "/swagger-ui.css", headers={"Range": value})

    assert (response.status_code, response.content) == (200, whole.content)


@pytest.mark.parametrize(("accepted", "expected"), [("gzip", "gzip"), ("identity", None), ("br", None)])
def test_a_file_is_compressed_for_who_accepts_it(accepted: str, expected: str | None) -> None:
    response = ask(ASSETS, "GET", "/swagger-ui.css", headers={"Accept-Encoding": accepted})

    assert response.headers.get("content-encoding") == expected
    assert response.headers["vary"] == "Accept-Encoding"


def test_a_file_is_asked_for_again_and_sent_only_if_it_has_changed() -> None:
    first = ask(ASSETS, "GET", "/swagger-ui.css")

    again = ask(ASSETS, "GET", "/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code) == (200, 304)
    assert first.headers["cache-control"] == again.headers["cache-control"] == "no-cache"


def test_a_page_runs_only_its_own_scripts() -> None:
    digest = b64encode(sha256(b"start()").digest()).decode()

    response = page("<script>start()</script><script src=x.js></script>")

    policy = response.headers["content-security-policy"]
    assert f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; " in policy
    assert policy.endswith("frame-ancestors 'none'")
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-cache"


def test_a_page_without_a_script_needs_no_hash() -> None:
    assert "script-src 'self'; " in page("<p>").headers["content-security-policy"]


def test_the_playground_is_one_page_for_all_requests() -> None:
    assert playground() is playground()
    assert b"<title>softmaxd</title>" in bytes(playground().body)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", True),
        ("application/xhtml+xml, Text/HTML ; Q=0.9", True),
        ("text/html;level=1;q=0.001", True),
        ("text/html; q=0.000, text/html", True),
        ("text/html; q=0", False),
        ("text/htmlx", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_only_who_names_html_gets_it(accept: str, expected: bool) -> None:
    assert wants_html(accept) is expected
