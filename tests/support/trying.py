"""The view Try of the playground, as a person uses it, and the service that its tests try."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Locator, Page

from softmaxd.models.features import Feature
from tests.support.onnx_models import linear, publish, publish_embedding
from tests.support.paths import REPOSITORY
from tests.support.playground import Visit
from tests.support.server import Server
from tests.support.tables import publish_mixed

SPACED = (Feature(name="sepal length (cm)", min=-1, max=1), Feature(name='1, "2"'))


@contextmanager
def service_with_tables(folder: Path) -> Iterator[Server]:
    """Serve the committed models, one of a table, one that cannot run every row, and one with odd names."""
    shutil.copytree(REPOSITORY / "models", folder, dirs_exist_ok=True)
    publish_mixed(folder)
    publish_embedding(folder, 50)
    publish(folder, 1, linear().SerializeToString(), name="spaced", features=SPACED)
    server = Server("--models-dir", str(folder), environment={})
    yield server
    assert server.stop() == 0


@contextmanager
def visiting(browser: Browser, *options: str, environment: Mapping[str, str]) -> Iterator[Visit]:
    """Visit the playground of a service of its own, which ends also if the visit fails."""
    with ExitStack() as stack:
        server = Server(*options, environment=environment)
        stack.callback(server.stop)
        page = browser.new_page()
        stack.callback(page.close)
        visit = Visit(page, server.url)
        yield visit
        visit.check()


def predict(visit: Visit, model: str, instances: object, **more: object) -> Any:
    body = {"instances": instances, **more}
    return httpx.post(f"{visit.url}/models/{model}/predict", json=body).raise_for_status().json()


def shown(probability: float) -> str:
    """Return a probability as the page shows it."""
    if 0 < probability < 0.00005:
        return "<.0001"
    return ">.9999" if 0.99995 <= probability < 1 else f"{probability:.4f}"


def bars(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer").locator(".bar span:last-child")


def table(page: Page) -> Locator:
    return page.get_by_role("region", name="The rows and their answers")


def cells(page: Page, column: int) -> list[str]:
    texts: list[str] = table(page).locator(f"tr[aria-rowindex] td:nth-child({column})").all_inner_texts()
    return [text.strip() for text in texts]


def status(page: Page) -> Locator:
    return page.get_by_role("region", name="Several rows").locator("p > .muted")


def answer_rows(page: Page, text: str) -> None:
    page.get_by_label("Rows, pasted").fill(text)
    page.get_by_role("button", name="Answer these rows").click()


def upload(page: Page, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    page.locator("#file").set_input_files({"name": "rows.csv", "mimeType": "text/csv", "buffer": content})


def downloaded(page: Page) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    with Path(download.value.path()).open(newline="") as file:
        return file.read()
