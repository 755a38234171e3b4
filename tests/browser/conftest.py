"""A Chromium without a window, and a page of another site."""

import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.other_sites import REBOUND, Empty
from tests.support.playground import Visit, VisitTo
from tests.support.server import Server
from tests.support.skipping import skip_outside_ci


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser of one module: while it runs, its thread cannot run another event loop."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        skip_outside_ci("there is no Chromium: install Debian's package chromium")
    arguments = ["--no-sandbox", f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page, without cookies and cache."""
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def other_site() -> Iterator[str]:
    """The origin of another site than that of the service, which is at 127.0.0.1."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def service() -> Iterator[Server]:
    """A service with the committed models."""
    server = Server(environment={}, traced=False)
    yield server
    assert server.stop() == 0


@pytest.fixture
def visit(page: Page, service: Server) -> Iterator[Visit]:
    """A visit to the playground, which fails the test if the page complains about anything."""
    visit = Visit(page, service.url)
    yield visit
    visit.check()


@pytest.fixture
def visit_to(page: Page) -> Iterator[VisitTo]:
    """Start a service with the models of a folder, and visit it; a complaint of the page fails the test."""
    with ExitStack() as stack:

        def start(models: Path) -> Visit:
            server = Server("--models-dir", str(models), environment={}, traced=False)
            stack.callback(server.stop)
            visit = Visit(page, server.url)
            stack.callback(visit.check)
            return visit

        yield start
