"""The frame of the playground: its views, its looks, its weight, and where it is served."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.support.mounted import mounted
from tests.support.paths import REPOSITORY
from tests.support.playground import Visit, axe_violations
from tests.support.server import Server

VIEWS = ["explorer", "map", "draw", "try", "why", "model", "tour"]
NARROW, WIDE = ViewportSize(width=360, height=740), ViewportSize(width=1440, height=900)
MOST_BYTES, MOST_REQUESTS = 200_000, 40
MOST_SHIFT = 0.1  # of what is seen: the limit of a good Cumulative Layout Shift
LONG = 200  # milliseconds
ENTRIES = """([type, field]) => new Promise(resolve => {
    const observer = new PerformanceObserver(list => resolve(list.getEntries().map(each => each[field])));
    observer.observe({type, buffered: true});
    setTimeout(() => resolve([]), 500);
})"""


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, service: Server) -> Iterator[Visit]:
    page = browser.new_page(color_scheme=request.param, viewport=WIDE, reduced_motion="reduce")
    visit = Visit(page, service.url)
    yield visit
    visit.check()
    page.close()


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(themed: Visit, view: str) -> None:
    page = themed.open(view)

    assert axe_violations(page) == []

    page.set_viewport_size(NARROW)
    assert axe_violations(page) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_page_does_not_scroll_sideways(visit: Visit, view: str) -> None:
    visit.page.set_viewport_size(NARROW)
    page = visit.open(view)

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert page.evaluate("document.querySelector('nav').scrollWidth <= document.querySelector('nav').clientWidth")


def test_every_view_is_reached_by_keyboard_and_tells_its_name(visit: Visit) -> None:
    page = visit.open()
    for link in page.locator("#views a").all():
        link.focus()
        page.keyboard.press("Enter")

        expect(link).to_have_attribute("aria-current", "page")
        expect(page.locator("main")).to_be_focused()
        expect(page).to_have_title(f"{link.inner_text()} · softmaxd")
        expect(page.locator("main h1")).to_be_visible()


def test_the_content_is_one_key_away(visit: Visit) -> None:
    page = visit.open()

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()
    expect(page.locator("main h1")).to_be_visible()


def test_the_theme_is_kept(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()

    page.reload()

    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_page_and_the_documentation_link_to_each_other(visit: Visit) -> None:
    page = visit.open()

    page.get_by_role("link", name="API").click()
    page.get_by_role("link", name="playground").click()

    expect(page.locator("main h1")).to_be_visible()


def test_the_first_view_is_light(visit: Visit) -> None:
    sizes: list[int] = []
    visit.page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))

    page = visit.open()

    assert len(sizes) <= MOST_REQUESTS
    assert sum(sizes) <= MOST_BYTES
    assert sum(page.evaluate(ENTRIES, ["layout-shift", "value"])) < MOST_SHIFT
    assert [duration for duration in page.evaluate(ENTRIES, ["longtask", "duration"]) if duration >= LONG] == []


@pytest.mark.parametrize("width", [WIDE["width"], 768, NARROW["width"]])
def test_nothing_moves_while_numbers_change(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 900})
    for view, slider in (("explorer", "Logit of class 0"), ("why?model=iris", "Move petal_length")):
        visit.page.goto("about:blank")
        page = visit.open(view)
        page.get_by_role("slider", name=slider, exact=True).focus()
        before = sum(page.evaluate(ENTRIES, ["layout-shift", "value"]))

        for key in [*["PageUp"] * 10, *["PageDown"] * 20]:
            page.keyboard.press(key)
        page.wait_for_load_state("networkidle")

        assert sum(page.evaluate(ENTRIES, ["layout-shift", "value"])) - before < MOST_SHIFT / 100


def test_all_its_files_together_are_light(service: Server) -> None:
    folder = REPOSITORY / "service/softmaxd/playground"
    size = 0
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with httpx.stream("GET", f"{service.url}/playground/{path.relative_to(folder)}") as response:
            assert response.read() == path.read_bytes()
            size += response.num_bytes_downloaded

    assert size < MOST_BYTES


@pytest.mark.parametrize("place", ["behind a proxy that keeps the prefix", "mounted"])
def test_it_works_under_a_prefix(page: Page, place: str) -> None:
    with ExitStack() as stack:
        if place == "mounted":
            url = stack.enter_context(mounted("/ml")) + "/ml"
        else:
            server = Server(environment={"SOFTMAXD_ROOT_PATH": "/ml"}, traced=False)
            stack.callback(server.stop)
            url = f"{server.url}/ml"
        visit = Visit(page, url)

        page.goto(url)  # without the slash

        expect(page).to_have_url(re.compile(re.escape(f"{url}/#explorer?")))
        expect(page.locator("tbody .bar").first).to_contain_text("0.0157")
        expect(page.locator("#about")).to_contain_text("softmaxd 0.")
        visit.check()


@pytest.mark.parametrize("accept", ["text/html", "application/xhtml+xml, Text/HTML;q=0.9, */*;q=0.8"])
def test_a_browser_gets_the_page(service: Server, accept: str) -> None:
    response = httpx.get(service.url, headers={"Accept": accept})

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/html;q=0", "text/html; q=0.0, */*"])
def test_others_get_json(service: Server, accept: str) -> None:
    response = httpx.get(service.url, headers={"Accept": accept})

    assert response.json()["status"] == "alive"
    assert response.headers["vary"] == "Accept"
