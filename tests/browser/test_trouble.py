"""The frame of the playground where something is in its way: it says so, and goes on."""

import re
import shutil
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from softmaxd.models.features import Feature
from tests.support.onnx_models import linear, pictures, publish
from tests.support.other_sites import REBOUND
from tests.support.paths import MODELS
from tests.support.playground import Visit, VisitTo, drop
from tests.support.server import Server

NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError"); }});
}"""
COUNT_STATES = """
window.states = 0;
const replace = history.replaceState;
history.replaceState = function (...given) { states += 1; return replace.apply(history, given); };
"""


LONG = "Straßenbahnhaltestellenüberdachungsgenehmigungsverfahrensordnung"
OUTSIDE = """() => [...document.querySelectorAll(".panel")].flatMap(panel => {
    const right = panel.getBoundingClientRect().right;
    const seen = [...panel.querySelectorAll(".bar, label, select, input, h2, .chart text")];
    return seen.filter(each => each.getBoundingClientRect().right > right + 1).map(each => each.outerHTML);
})"""


def problem(page: Page) -> str:
    shown = page.locator("main .problem:not(:empty)")
    expect(shown).to_be_visible()
    return shown.inner_text()


def test_a_view_that_cannot_be_filled_says_why_and_tries_again(visit: Visit) -> None:
    page = visit.open()
    visit.refusals_expected = 1
    page.route("**/models", lambda route: route.fulfill(status=503, json={"detail": "No model is ready"}))

    page.get_by_role("link", name="Try", exact=True).click()

    expect(page.locator("h1")).to_have_text("Try")
    expect(page.get_by_role("link", name="Try", exact=True)).to_have_attribute("aria-current", "page")
    assert problem(page) == "No model is ready"
    page.unroute("**/models")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h1")).to_have_text("Try a model")


def test_a_view_that_takes_long_is_not_mistaken_for_the_one_before(visit: Visit) -> None:
    page = visit.open()
    held: list[Route] = []
    page.route("**/models", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks it

    page.get_by_role("link", name="Try", exact=True).click()

    expect(page.locator("main[aria-busy]")).to_have_css("opacity", "0.4")
    expect(page.locator("h1")).to_have_text("From scores to probabilities")
    held[0].continue_()
    expect(page.locator("main:not([aria-busy]) h1")).to_have_text("Try a model")


def test_a_view_whose_files_do_not_come_says_so(page: Page, service: Server) -> None:
    page.route("**/views/map.js", lambda route: route.abort())

    page.goto(f"{service.url}/#map")

    expect(page.locator("h1")).to_have_text("Map")
    assert problem(page).startswith("This view could not be shown: ")
    page.unroute("**/views/map.js")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("h1")).to_have_text("The map of a model")


def test_a_page_whose_files_do_not_come_says_so(page: Page, service: Server) -> None:
    page.route("**/js/dom.js", lambda route: route.abort())

    page.goto(service.url)

    expect(page.locator("main")).to_contain_text("The files of this page did not come.")


def test_a_service_that_has_gone_is_told(page: Page) -> None:
    server = Server(environment={}, traced=False)
    Visit(page, server.url).open("try?model=iris")
    server.send_signal(signal.SIGKILL)
    server.wait()

    page.get_by_label("petal_length").fill("2")

    assert problem(page) == "The service does not answer. Is it still running?"
    page.get_by_role("button", name="Example rows").click()
    expect(page.get_by_label("Several rows").locator(".problem")).to_contain_text("Is the service still running?")


def test_a_browser_that_keeps_nothing_shows_everything(visit: Visit) -> None:
    visit.page.add_init_script(NO_STORAGE)
    page = visit.open("try?model=iris")

    expect(page.get_by_label("Answer").locator(".bar").first).to_be_visible()
    page.get_by_role("button", name="Theme: system").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()


def test_drawing_works_on_a_page_that_is_not_secure(browser: Browser, service: Server) -> None:
    page = browser.new_page(viewport={"width": 1000, "height": 1200})
    visit = Visit(page, service.url.replace("127.0.0.1", REBOUND))
    visit.open("draw?strokes=AA")
    box = page.get_by_role("application", name="Drawing").bounding_box()
    assert box is not None
    assert not page.evaluate("isSecureContext")

    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
    page.mouse.up()

    expect(page).to_have_url(re.compile(r"strokes=AA\.\w{8,}"))
    visit.check()
    page.close()


def test_the_link_to_the_content_keeps_the_state(visit: Visit) -> None:
    page = visit.open("try?model=iris")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()
    expect(page).to_have_url(re.compile("#try.model=iris"))


def test_the_url_is_not_changed_more_often_than_browsers_allow(visit: Visit) -> None:
    visit.page.add_init_script(COUNT_STATES)
    page = visit.open()
    before = page.evaluate("states")
    slider = page.get_by_role("slider", name="Logit of class 0")

    slider.focus()
    for _ in range(60):
        page.keyboard.press("ArrowRight")

    expect(page).to_have_url(re.compile("logits=1.3,"))
    assert page.evaluate("states") - before < 30


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("roses", "There is no model roses here. This is blobs/2."),
        ("blobs/7", "There is no model blobs/7 here. This is blobs/2."),
        ("digits", "digits is no model for this view. This is blobs/2."),
    ],
)
def test_a_model_that_a_view_cannot_show_is_named(visit: Visit, wanted: str, expected: str) -> None:
    page = visit.open(f'why?model={wanted}&row=["1","2"]')

    assert problem(page) == expected
    expect(page.get_by_role("textbox", name="x1")).not_to_have_value("1")


def test_a_rejected_model_is_named_with_its_reason(visit_to: VisitTo, tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"damaged")
    visit = visit_to(tmp_path)

    page = visit.open("try?model=linear/2")

    assert problem(page).startswith("linear/2 is rejected: ")


def test_a_name_leads_to_the_version_that_answers_for_it(visit_to: VisitTo, tmp_path: Path) -> None:
    for version in (1, 2, 10):
        publish(tmp_path, version, linear().SerializeToString())
    visit = visit_to(tmp_path)

    page = visit.open("try?model=linear")

    expect(page.locator("#model")).to_have_value("linear/10")


def test_a_model_that_goes_while_it_is_chosen_is_told(visit_to: VisitTo, tmp_path: Path) -> None:
    shutil.copytree(MODELS / "iris", tmp_path / "iris")
    publish(tmp_path, 1, linear().SerializeToString())
    visit = visit_to(tmp_path)
    visit.refusals_expected = 1
    page = visit.open("why?model=iris")
    page.route(
        "**/models/linear/**", lambda route: route.fulfill(status=404, json={"detail": "There is no such model"})
    )

    page.locator("#model").select_option("linear/1")

    assert problem(page) == "linear/1 could not be shown: There is no such model"


@pytest.mark.parametrize("view", ["explorer", "model"])
def test_a_file_that_a_view_does_not_take_is_not_opened_by_the_browser(visit: Visit, view: str) -> None:
    page = visit.open(view)

    drop(page, "h1", "rows.csv", b"1,2")

    expect(page.locator("h1")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1440])
def test_long_names_stay_within_their_panels(visit_to: VisitTo, tmp_path: Path, width: int) -> None:
    labels = [LONG, f"<img src=x onerror=alert(1)> {LONG}", "日本語の非常に長い分類名" * 4]
    features = [Feature(name=f"{LONG}-x", min=-1e9, max=1e9), Feature(name=f'"><script>alert(2)</script> {LONG}')]
    publish(tmp_path, 1, linear().SerializeToString(), name="n" * 60, labels=labels, features=features)
    visit = visit_to(tmp_path)
    visit.refusals_expected = 4  # of the map's grid, where the machine is slow: it gets coarser
    visit.page.set_viewport_size({"width": width, "height": 740})

    for view in ("map", "try", "why"):
        page = visit.open(view)

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []


def test_a_link_with_many_logits_shows_the_first_ones(visit: Visit) -> None:
    page = visit.open(f"explorer?logits={','.join(['1'] * 10_000)}&names={'x' * 99}")

    assert problem(page) == "The link has 10,000 logits. These are the first 12."
    expect(page.get_by_role("slider", name=re.compile("^Logit of"))).to_have_count(12)
    expect(page.get_by_label("Name of class 0")).to_have_value("x" * 40)


def test_a_model_that_is_not_served_is_listed_with_its_reason(visit_to: VisitTo, tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 3, b"damaged", name="mine")
    visit = visit_to(tmp_path)
    visit.refusals_expected = 1  # the other one has no card

    page = visit.open("model")

    row = page.get_by_label("Not served").get_by_role("row").last
    expect(row).to_contain_text("mine/3rejectedmodel.onnx is not an ONNX file")


def test_bars_keep_their_colours_where_the_system_chooses_all_others(visit: Visit) -> None:
    page = visit.open()
    colour = "getComputedStyle(document.querySelector('.bar > span'), '::before').backgroundColor"
    before = page.evaluate(colour)

    page.emulate_media(forced_colors="active")

    assert page.evaluate("matchMedia('(forced-colors: active)').matches")
    assert page.evaluate(colour) == before


def test_a_page_of_a_proxy_in_place_of_an_answer_is_told(visit: Visit) -> None:
    page = visit.open("try?model=iris")
    page.route("**/predict", lambda route: route.fulfill(content_type="text/html", body="<h1>Log in"))

    page.get_by_label("petal_length").fill("2")

    assert problem(page) == "The answer is cut off, or not from the service: a proxy may want a login."


@pytest.mark.parametrize(
    ("view", "field", "said"),
    [
        ("explorer", "Logit of class 0, as a number", "Softmax of class 0: "),
        ("try?model=iris", "petal_length", "“setosa”, with "),
        ("why?model=iris", "petal_length", "“setosa”, with "),
    ],
)
def test_an_answer_is_said_to_a_screen_reader(visit: Visit, view: str, field: str, said: str) -> None:
    page = visit.open(view)

    page.get_by_role("spinbutton" if view == "explorer" else "textbox", name=field).fill("1.3")

    expect(page.get_by_role("status").filter(has_text=said)).to_be_attached()


def test_a_link_to_the_end_of_all_numbers_is_told(visit: Visit) -> None:
    visit.refusals_expected = 10

    page = visit.open("map?model=blobs&view=1e308,1.1e308,1e308,1.2e308")

    assert "finite" in problem(page)


def test_the_tour_takes_no_other_model_for_that_of_the_article(visit_to: VisitTo, tmp_path: Path) -> None:
    publish(tmp_path, 1, pictures([8, 8]).SerializeToString(), name="blobs", features=[Feature(name="x", shape=(8, 8))])
    visit = visit_to(tmp_path)

    for chapter in (7, 8):
        page = visit.open(f"tour?chapter={chapter}")

        expect(page.locator("main")).to_contain_text("No model of the article's blobs is served.")


def test_a_long_row_stays_in_the_url(visit_to: VisitTo, tmp_path: Path) -> None:
    image = Feature(name="image", shape=(28, 28))
    publish(tmp_path, 1, pictures([28, 28]).SerializeToString(), features=[image])
    page = visit_to(tmp_path).open("try")
    row = " ".join(["0.25"] * 28**2)

    page.get_by_label("image").fill(row)
    expect(page).to_have_url(re.compile("0.25%200.25"))
    page.reload()

    expect(page.get_by_label("image")).to_have_value(row)
