"""The page of the documentation in a browser: under any prefix, and with a strict policy."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page

from tests.support.mounted import mounted
from tests.support.server import Server

PLACES = ["at the root", "behind a proxy that keeps the prefix", "mounted"]


@pytest.fixture(scope="module", params=PLACES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL below which a service has its paths."""
    with ExitStack() as stack:
        if request.param == "mounted":
            yield stack.enter_context(mounted("/ml")) + "/ml"
            return
        prefix = "" if request.param == "at the root" else "/ml"
        server = Server(environment={"SOFTMAXD_ROOT_PATH": prefix}, traced=False)
        stack.callback(server.stop)
        yield server.url + prefix


def test_the_documentation_calls_the_service(page: Page, url: str) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.goto(f"{url}/docs")

    operation = page.locator("#operations-operations-softmax")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response .microlight").first
    answer.wait_for()

    assert '"probabilities"' in answer.inner_text()
    assert f"\n{url}/softmax" in operation.locator(".request-url").inner_text()
    assert problems == []


def test_no_script_but_its_own_runs_on_the_page(page: Page, url: str) -> None:
    page.goto(f"{url}/docs")
    page.locator(".opblock").first.wait_for()

    ran = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.head.append(script);
            return window.ran === true;
        }"""
    )

    assert ran is False


def test_another_site_cannot_frame_the_page(page: Page, url: str, other_site: str) -> None:
    page.goto(other_site)
    page.evaluate(
        "url => document.body.append(Object.assign(document.createElement('iframe'), {src: url}))", url + "/docs"
    )
    page.wait_for_load_state("networkidle")

    frame = page.frames[1]

    assert frame.locator("#swagger-ui").count() == 0
