"""A refusal that is sent before the body was read reaches a page's `fetch`."""

import pytest
from playwright.sync_api import Page

from tests.support.server import StartServer

TIMES = 5
FETCH = """async ([path, size, type]) => {
    const response = await fetch(path, {method: "POST", body: " ".repeat(size), headers: {"Content-Type": type}});
    return response.status;
}"""


@pytest.mark.parametrize("express", ["on", "off"], ids="express={}".format)
@pytest.mark.parametrize("size", [1_300_000, 4_000_000])
def test_a_page_sees_the_status(page: Page, start_server: StartServer, express: str, size: int) -> None:
    server = start_server(express=express, traced=False)
    page.goto(server.url + "/livez")
    asked = [("/models/nope/predict", "application/json"), ("/livez", "application/json"), ("/predict", "text/plain")]

    statuses = [page.evaluate(FETCH, [path, size, kind]) for _ in range(TIMES) for path, kind in asked]

    assert statuses == [404, 405, 415] * TIMES
