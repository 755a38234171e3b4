"""The power of a page of another site over a service at 127.0.0.1, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.support.metrics import metric
from tests.support.other_sites import REBOUND
from tests.support.server import Server

PREDICT, V1, V2 = "/predict", "/v1/models/blobs:predict", "/v2/models/blobs/infer"
BODIES = {
    PREDICT: '{"instances": [[15.2, 0.3]]}',
    V1: '{"instances": [[15.2, 0.3]]}',
    V2: '{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [15.2, 0.3]}]}',
}
FETCH = """async ([url, options]) => {
    try {
        const response = await fetch(url, options);
        return [response.type, response.status, await response.text()];
    } catch (error) {
        return [error.name, 0, ""];
    }
}"""
UNREADABLE = ["TypeError", 0, ""]


def fetch(page: Page, url: str, **options: object) -> list[object]:
    """Return the type, the status and the text of a response to `fetch`, or the name of its error."""
    found: list[object] = page.evaluate(FETCH, [url, options])
    return found


@pytest.fixture(scope="module")
def closed() -> Iterator[Server]:
    """A service without any setting for browsers."""
    server = Server(environment={}, traced=False)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def opened(other_site: str) -> Iterator[Server]:
    """A service that the other site may use."""
    server = Server(environment={"SOFTMAXD_CORS_ORIGINS": f"https://example.com, {other_site}"}, traced=False)
    yield server
    assert server.stop() == 0


def test_another_site_reads_nothing(page: Page, closed: Server, other_site: str) -> None:
    paths = ["/models", "/metrics", "/openapi.json", "/v1/models", "/v2/models"]

    page.goto(other_site)
    assert [fetch(page, closed.url + path) for path in paths] == [UNREADABLE] * 5

    page.goto(closed.url + "/docs")
    assert [fetch(page, path)[:2] for path in paths] == [["basic", 200]] * 5


@pytest.mark.parametrize("path", BODIES)
def test_another_site_posts_nothing(page: Page, closed: Server, other_site: str, path: str) -> None:
    page.goto(other_site)
    before = answered(closed)

    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
        for mode in ("cors", "no-cors"):
            headers = {"Content-Type": content_type}
            fetch(page, closed.url + path, method="POST", mode=mode, body=BODIES[path], headers=headers)

    assert answered(closed) == before


def answered(server: Server) -> float:
    """Return how many predictions the service has answered with a 200."""
    return metric(server.url, "softmaxd_requests_total", status="200") - sum(
        metric(server.url, "softmaxd_requests_total", status="200", operation=each) for each in ("/metrics", "/docs")
    )


@pytest.mark.parametrize(("path", "body"), [(V1, '{"error":'), (PREDICT, '{"detail":')])
def test_a_form_of_another_site_is_refused(page: Page, closed: Server, other_site: str, path: str, body: str) -> None:
    page.goto(other_site)

    with page.expect_navigation() as navigation:
        page.evaluate(
            """url => {
                const form = document.createElement("form");
                Object.assign(form, {action: url, method: "post", enctype: "text/plain"});
                document.body.append(form);
                form.submit();
            }""",
            closed.url + path,
        )

    assert navigation.value.status == 403
    assert page.locator("body").inner_text().startswith(body)


def test_an_allowed_site_uses_every_protocol(page: Page, opened: Server, other_site: str) -> None:
    page.goto(other_site)

    for path, body in BODIES.items():
        for content_type in ("text/plain", "application/json"):
            headers = {"Content-Type": content_type}
            kind, status, _ = fetch(page, opened.url + path, method="POST", body=body, headers=headers)

            refused = path == PREDICT and content_type == "text/plain"  # in any client
            assert (kind, status) == ("cors", 415 if refused else 200), (path, content_type)
    assert fetch(page, opened.url + "/v2/nope") == ["cors", 404, '{"error":"Not Found"}']


def test_a_site_that_is_not_allowed_reads_nothing(page: Page, opened: Server, closed: Server) -> None:
    page.goto(closed.url + "/docs")

    assert fetch(page, opened.url + "/models") == UNREADABLE


def test_a_rebound_name_reaches_a_service_only_without_allowed_hosts(page: Page, closed: Server) -> None:
    named = Server(environment={"SOFTMAXD_ALLOWED_HOSTS": "127.0.0.1,[::1]:1"}, traced=False)
    try:
        open_url, named_url = (server.url.replace("127.0.0.1", REBOUND) for server in (closed, named))
        statuses = [page.goto(f"{url}/models") for url in (open_url, named_url, named.url)]
    finally:
        named.stop()

    assert [response and response.status for response in statuses] == [200, 421, 200]
