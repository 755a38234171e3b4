"""The tour: the article's chapters, walked by keyboard, each with a live piece that gives the service's own answers."""

import re
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from tests.support.paths import REPOSITORY
from tests.support.playground import Visit
from tests.support.server import Server

TITLES = [
    "Logits",
    "Softmax",
    "Softmax and sigmoid",
    "From scores to a loss",
    "In a computer",
    "Why softmax in training",
    "A network",
    "The result",
    "In the real world",
]
DOCS = REPOSITORY / "docs"
DOCUMENT = (DOCS / "tour.md").read_text().replace("\n", " ")


def heading(page: Page) -> str:
    return page.locator("main h1").inner_text()


def column(page: Page, number: int) -> list[str]:
    """The numbers of softmax (1) or sigmoid (2)."""
    table = page.get_by_role("region", name="Softmax, sigmoid and argmax")
    return table.locator(f"tbody td:nth-child({number + 1}) .bar span:last-child").all_inner_texts()


def test_the_arrow_keys_walk_through_all_chapters_and_back(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("link", name="Tour").focus()
    page.keyboard.press("Enter")

    for number, title in enumerate(TITLES, start=1):
        expect(page.locator("main h1")).to_have_text(f"{number}. {title}")
        expect(page.locator("main")).to_be_focused()
        expect(page.locator("article .panel").first).to_be_visible()
        texts = [heading(page), *page.locator("article .prose p").all_inner_texts()]
        assert all(text in DOCUMENT for text in texts), "docs/tour.md is old; run `make screenshots`"
        assert (DOCS / "images" / "playground" / f"tour-{number}.png").exists()
        page.keyboard.press("ArrowRight")
    expect(page.locator("main h1")).to_have_text("9. In the real world")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("main h1")).to_have_text("8. The result")
    page.go_back()
    expect(page.locator("main h1")).to_have_text("9. In the real world")


STEPS = [  # the control of each chapter that is used, and words that stand there afterwards
    ("Add 5 to every logit", "2.9951"),
    ("Double every logit", "0.9984"),
    ("Give the other class a logit of 1", "0.7311"),
    ("If it shows a dog", "nats if “dog” is true"),
    ("Subtract 700 from every logit", "= 0.84379"),
    ("Logit of class 0, as a number", "= 0.0837 here"),
    ("Far away", "x1 15, x2 200"),
    ("Open all figures of the model", "Its loss after calibration"),
    ("See a row unlike all others", "calibrated"),
]
FOCUSED = """() => {
    const {activeElement: element} = document, box = element.getBoundingClientRect(), style = getComputedStyle(element);
    return {
        name: element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent ?? element.textContent,
        isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        isSeen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
}"""


def tab_to(page: Page, name: str) -> int:
    """Press Tab until the focus is on a control with this name; return how often. Each focus on the way can be seen."""
    for presses in range(1, 80):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        assert focused["isMarked"], f"the focus on {focused['name']!r} has no outline"
        assert focused["isSeen"], f"the focus on {focused['name']!r} is out of sight"
        if focused["name"].strip() == name:
            return presses
    raise AssertionError(f"Tab does not reach {name!r}")


def test_the_tour_is_walked_and_every_piece_used_without_a_mouse(visit: Visit) -> None:
    page = visit.open()
    tab_to(page, "Tour")
    page.keyboard.press("Enter")

    for number, ((control, words), title) in enumerate(zip(STEPS, TITLES, strict=True), start=1):
        expect(page.locator("main h1")).to_have_text(f"{number}. {title}")
        tab_to(page, control)
        if control.startswith("Logit"):
            page.keyboard.type("4")
        elif not control.startswith(("Open", "See")):
            page.keyboard.press("Enter")
        expect(page.locator("article")).to_contain_text(words)
        if number < len(STEPS):
            tab_to(page, "Next →")
            page.keyboard.press("Enter")


def test_the_links_turn_the_page_and_a_slider_keeps_its_arrows(visit: Visit) -> None:
    page = visit.open("tour?chapter=2")
    slider = page.get_by_role("slider", name="Logit of class 0")
    slider.focus()
    before = slider.input_value()

    page.keyboard.press("ArrowRight")
    assert slider.input_value() != before
    assert heading(page) == "2. Softmax"
    page.get_by_role("link", name="Next").focus()
    page.keyboard.press("Enter")

    expect(page.locator("main h1")).to_have_text("3. Softmax and sigmoid")
    expect(page.get_by_role("link", name="Softmax and sigmoid")).to_have_attribute("aria-current", "page")
    assert column(page, 1)[0] == column(page, 2)[0] == "0.8808"


def test_adding_the_same_to_all_logits_changes_sigmoid_only_and_the_explorer_opens_there(visit: Visit) -> None:
    page = visit.open("tour?chapter=1")
    softmax, sigmoid = column(page, 1), column(page, 2)

    page.get_by_role("button", name="Add 5 to every logit").click()

    logits = [5.7, 6.5, 9.8]
    answer = httpx.post(f"{visit.url}/softmax", json={"logits": logits, "include": ["sigmoid"]}).json()
    expect(page.locator("tfoot td").nth(1)).to_have_text(f"{sum(answer['sigmoid']):.4f}")
    assert column(page, 1) == softmax
    assert column(page, 2) != sigmoid
    page.get_by_role("link", name="Open this in the explorer").click()
    expect(page.get_by_label("Logit of class 0, as a number")).to_have_value("5.7")
    assert column(page, 1) == softmax


def test_the_loss_is_the_services(visit: Visit) -> None:
    page = visit.open("tour?chapter=4")
    body = {"logits": [-3.44, 1.16, -0.81, 3.91], "include": ["loss"]}

    for button, target in (("If it shows a dog", 0), ("If it shows an airplane", 3)):
        page.get_by_role("button", name=button).click()

        loss = httpx.post(f"{visit.url}/softmax", json={**body, "targets": target}).json()["loss"]
        expect(page.get_by_text(re.compile(rf"= {loss:.5g} nats if"))).to_be_visible()


def test_far_away_the_network_is_sure_and_the_row_is_not_typical(visit: Visit) -> None:
    page = visit.open("tour?chapter=7")

    page.get_by_role("button", name="Far away").click()

    body = {"instances": [[15, 200]], "include": ["typicality"]}
    answer = httpx.post(f"{visit.url}/models/blobs/predict", json=body).json()
    point = page.get_by_role("region", name="The point").last
    expect(point.get_by_role("heading")).to_have_text("x1 15, x2 200")
    expect(point).to_contain_text(f"{max(answer['probabilities'][0]):.4f}")
    expect(point).to_contain_text(f"{answer['typicality'][0]:.4f}")
    expect(page.get_by_role("link", name="Open this on the map")).to_have_attribute(
        "href", "#map?model=blobs%2F2&at=15,200"
    )


def test_the_runs_are_those_of_the_manifest(visit: Visit) -> None:
    page = visit.open("tour?chapter=8")
    seeds = httpx.get(f"{visit.url}/models/blobs").json()["provenance"]["seeds"]

    rows = page.get_by_role("group", name="Results by seed").locator("tbody tr")

    expect(rows).to_have_count(len(seeds))
    assert [row.locator("th").inner_text() for row in rows.all()] == [str(each["seed"]) for each in seeds]
    expect(page.get_by_role("link", name="Open all figures of the model")).to_have_attribute(
        "href", "#model?model=blobs%2F2"
    )


def test_without_models_the_chapters_of_numbers_stay_and_the_others_say_how_to_get_one(
    page: Page, tmp_path: Path
) -> None:
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(tmp_path)}, traced=False)
    visit = Visit(page, server.url)
    visit.open("tour?chapter=9")
    expect(page.get_by_text("No model with figures of test rows is served.")).to_be_visible()

    page.keyboard.press("ArrowLeft")
    expect(
        page.get_by_text("No model of the article's blobs is served. This makes one: softmaxd train blobs")
    ).to_be_visible()

    visit.check()
    assert server.stop() == 0
