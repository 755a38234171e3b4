"""The decision map: its colours and its words are the service's, and mouse, keyboard and touch move it alike."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.playground import Visit
from tests.support.server import Server
from tests.support.tables import publish_filled, publish_mixed

INCLUDE = ["prediction_sets", "typicality"]
FAR = (15, 200)  # as in the README
NUMBER = r"−?[\d.]+(?:e[+−]\d+)?"
COLOURS_AT = """places => {
    const {width, height} = document.querySelector(".map canvas");
    const image = document.querySelector(".map canvas").getContext("2d").getImageData(0, 0, width, height).data;
    return places.map(([x, y]) => {
        const at = 4 * (Math.round(y * height) * width + Math.round(x * width));
        return [...image.slice(at, at + 4)];
    });
}"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of a table of two numbers without calibration data, which takes few rows at a time."""
    models = tmp_path_factory.mktemp("models")
    publish_filled(models, columns=2)
    publish_mixed(models)
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(models), "SOFTMAXD_MAX_ROWS": "4000"}, traced=False)
    yield server
    assert server.stop() == 0


def map_of(page: Page) -> Locator:
    return page.get_by_role("application")


def place_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a point is on the screen, by the numbers of the axes that its description tells."""
    from_x, to_x, low, high = extent_of(page)
    box = page.locator(".map canvas").bounding_box()
    assert box is not None
    across = box["x"] + (x - from_x) / (to_x - from_x) * box["width"]
    return across, box["y"] + (high - y) / (high - low) * box["height"]


def description_of(page: Page) -> str:
    return map_of(page).get_by_role("img").get_attribute("aria-label") or ""


def extent_of(page: Page) -> list[float]:
    label = description_of(page)
    found = re.search(rf"from ({NUMBER}) to ({NUMBER}) and .* from ({NUMBER}) to ({NUMBER})$", label)
    assert found, label
    return [float(text.replace("−", "-")) for text in found.groups()]


def here(page: Page) -> Locator:
    return page.get_by_role("region", name="The point")


def point_of(page: Page) -> list[float]:
    words = here(page).get_by_role("heading").inner_text().replace("−", "-")
    return [float(part.split()[-1]) for part in words.split(",")]


def dropped(page: Page) -> list[float]:
    """The first point in the table."""
    cells = page.get_by_role("row").nth(1).get_by_role("cell").all_inner_texts()
    return [float(text.replace("−", "-")) for text in cells[:2]]


def answer(url: str, *points: list[float] | tuple[float, float], model: str = "blobs") -> dict[str, list[object]]:
    body = {"instances": points, **({"include": INCLUDE} if model == "blobs" else {})}
    found: dict[str, list[object]] = httpx.post(f"{url}/models/{model}/predict", json=body).json()
    return found


def shown(value: float) -> str:
    return "<.0001" if 0 < value < 0.00005 else ">.9999" if 0.99995 <= value < 1 else f"{value:.4f}"


def expect_answer_of(page: Page, url: str, point: list[float]) -> None:
    """The panel shows this point, as the service answers it."""
    reply = answer(url, point)
    (probabilities,), (typicality,) = np.array(reply["probabilities"]), reply["typicality"]
    assert isinstance(typicality, float)

    expect(here(page).locator(".bar span:last-child")).to_have_text([*map(shown, probabilities), shown(typicality)])


def test_far_from_the_data_softmax_is_sure_and_typicality_says_no(visit: Visit) -> None:
    page = visit.open("map")
    expect_answer_of(page, visit.url, point_of(page))

    page.get_by_role("button", name="Drop a point far from the data").click()

    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("blob-2")
    point = dropped(page)
    reply = answer(visit.url, point)
    assert point[1] > 150
    assert (max(reply["probabilities"][0]), reply["typicality"]) == (1, [1 / 1001])  # type: ignore[call-overload]
    expect(row.get_by_role("cell")).to_contain_text(
        [*(f"{x:g}" for x in point), "blob-2", "1.0000", "0.0010", "blob-2"]
    )
    expect(here(page)).to_contain_text("Like no training row: none of the 1,000 calibration rows is as far out.")
    expect(here(page)).to_contain_text("The softmax says 1.0000 all the same.")


def test_the_colours_are_the_answers(visit: Visit) -> None:
    page = visit.open("map")
    page.get_by_role("checkbox", name="training rows").uncheck()
    page.get_by_role("checkbox", name="typicality").uncheck()
    from_x, to_x, low, high = extent_of(page)
    shares = [(x / 9, y / 7) for x in range(1, 9) for y in range(1, 7)]
    points = [(from_x + x * (to_x - from_x), high - y * (high - low)) for x, y in shares]
    reply = answer(visit.url, *points)
    sure = np.array(reply["probabilities"]).max(axis=1)

    colours = page.evaluate(COLOURS_AT, shares)

    certain = [
        (label, tuple(rgba)) for label, rgba, p in zip(reply["labels"], colours, sure, strict=True) if p > 1 - 1e-5
    ]
    assert len(certain) > 20
    assert len(set(certain)) == len({label for label, _ in certain}) == len({rgba for _, rgba in certain}) == 4


def test_names_marks_lines_and_hatching_are_drawn_and_switched_off(visit: Visit) -> None:
    page = visit.open("map")
    picture = page.locator(".map canvas")
    pictures = [picture.evaluate("canvas => canvas.toDataURL()")]
    expect(page.get_by_text("Marks: 300 of 600 training rows.")).to_be_visible()

    for name in ("training rows", "typicality"):
        page.get_by_role("checkbox", name=name).uncheck()
        pictures.append(picture.evaluate("canvas => canvas.toDataURL()"))
    for name in ("training rows", "typicality"):
        page.get_by_role("checkbox", name=name).check()

    assert len(set(pictures)) == 3
    assert picture.evaluate("canvas => canvas.toDataURL()") == pictures[0]
    expect(map_of(page).locator("text.region")).to_have_text(["blob-0", "blob-1", "blob-2", "blob-3"])
    expect(map_of(page).locator("text.level")).to_have_text(["0.01", "0.1", "0.5"])
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()  # now it is dark
    assert picture.evaluate("canvas => canvas.toDataURL()") not in pictures


def test_the_mouse_reads_drops_moves_and_zooms(visit: Visit) -> None:
    page = visit.open("map")
    home, before = extent_of(page), description_of(page)

    page.mouse.move(*place_of(page, 15, 15))
    expect(here(page).get_by_role("heading")).to_have_text(re.compile(r"^x1 1[45]\.?\d*, x2 1[45]"))
    expect_answer_of(page, visit.url, point_of(page))
    expect(here(page)).to_contain_text("Like the training rows")
    page.mouse.click(*place_of(page, 19, 15))
    expect(here(page)).to_contain_text("Unusual: only")
    expect(page.get_by_role("button", name="Remove point 1")).to_be_visible()

    page.mouse.wheel(0, -500)
    expect(map_of(page).get_by_role("img")).not_to_have_attribute("aria-label", before)
    nearer = extent_of(page)
    assert nearer[0] > home[0]
    assert nearer[1] < home[1]
    start = place_of(page, 19, 15)
    page.mouse.down()
    page.mouse.move(start[0] + 100, start[1] + 50, steps=3)
    page.mouse.up()

    moved = extent_of(page)
    assert moved[0] < nearer[0]
    assert moved[2] > nearer[2]
    assert moved[1] - moved[0] == pytest.approx(nearer[1] - nearer[0], rel=0.05)
    expect(page.get_by_role("button", name="Remove point 2")).to_have_count(0)  # a drag is no click


def test_the_wheel_scrolls_the_page_until_the_map_is_chosen(visit: Visit) -> None:
    page = visit.open("map")
    home = extent_of(page)

    page.mouse.move(*place_of(page, 15, 5))
    page.mouse.wheel(0, 400)

    expect(page.locator("main h1")).not_to_be_in_viewport()
    assert extent_of(page) == home


def test_the_keyboard_reads_drops_moves_and_zooms(visit: Visit) -> None:
    page = visit.open("map")
    home = extent_of(page)
    page.get_by_role("checkbox", name="typicality").focus()
    page.keyboard.press("Tab")
    expect(map_of(page)).to_be_focused()
    start = point_of(page)

    for _ in range(30):
        page.keyboard.press("ArrowUp")
    assert extent_of(page)[3] > home[3]  # the map follows the crosshair
    page.keyboard.press("0")
    for key in ("ArrowLeft", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Remove point 1")).to_be_visible()
    point = dropped(page)
    expect_answer_of(page, visit.url, point)
    assert point[0] == pytest.approx(start[0] - (home[1] - home[0]) / 40, rel=0.02)
    assert point[1] == pytest.approx(start[1] - (home[3] - home[2]) / 20, rel=0.02)
    expect(page.get_by_role("status")).to_contain_text(f"x1 {point[0]:g}, x2 {point[1]:g}: blob-")

    page.keyboard.press("+")
    assert extent_of(page)[1] < home[1]
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert extent_of(page)[1] > home[1]
    page.keyboard.press("0")
    page.keyboard.press("Shift+ArrowRight")
    assert extent_of(page)[0] == pytest.approx(home[0] + (home[1] - home[0]) / 4, abs=0.1)


def test_the_buttons_zoom_and_reset(visit: Visit) -> None:
    page = visit.open("map")
    home = extent_of(page)

    for name, width in (("Zoom in", 1 / 1.5), ("Zoom out", 1), ("Zoom out", 1.5), ("Reset the view", 1)):
        page.get_by_role("button", name=name).click()
        extent = extent_of(page)
        assert (extent[1] - extent[0]) / (home[1] - home[0]) == pytest.approx(width, rel=0.02)


def test_two_fingers_zoom_and_a_tap_drops(browser: Browser, service: Server) -> None:
    page = browser.new_page(has_touch=True, viewport={"width": 390, "height": 800})
    visit = Visit(page, service.url)
    visit.open("map")
    home, before, middle = extent_of(page), description_of(page), place_of(page, 15, 8)

    page.touchscreen.tap(*middle)
    expect(page.get_by_role("button", name="Remove point 1")).to_be_visible()
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80), ("touchEnd", 0)):
        points = [{"x": middle[0] + side * apart, "y": middle[1], "id": side + 1} for side in (-1, 1)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []})

    expect(map_of(page).get_by_role("img")).not_to_have_attribute("aria-label", before)
    extent = extent_of(page)
    assert (extent[1] - extent[0]) / (home[1] - home[0]) == pytest.approx(1 / 4, rel=0.1)
    expect(page.get_by_role("button", name="Remove point 2")).to_have_count(0)
    visit.check()
    page.close()


def test_points_are_shared_by_the_url_and_sent_by_the_line_for_a_shell(visit: Visit) -> None:
    page = visit.open("map?model=blobs/2&at=16,1;15,200;10.5,4.6")
    row = page.get_by_role("row").nth(1)
    expect(row).to_contain_text("0.6074")

    page.get_by_role("button", name="Remove point 3").click()
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_url(re.compile(r"at=16,1%3B15,200&view="))
    extent = extent_of(page)
    page.reload()

    expect(page.get_by_role("button", name="Remove point 2")).to_be_visible()
    assert extent_of(page) == extent
    line = page.get_by_label("The same request for a shell").inner_text()
    printed = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True, timeout=30).stdout
    assert json.loads(printed) == answer(visit.url, (16, 1), FAR)


def test_a_table_without_calibration_on_a_service_that_takes_few_rows(page: Page, small: Server) -> None:
    visit = Visit(page, small.url)
    visit.refusals_expected = 3  # of 24,000, 12,000 and 6,000 rows
    visit.open("map")
    reply = answer(small.url, point_of(page), model="filled")

    expect(page.get_by_role("combobox", name="Model").locator("option")).to_have_text(["filled, version 1"])
    expect(here(page)).to_contain_text("This model has no calibration data")
    expect(page.get_by_role("checkbox")).to_have_count(0)
    (probabilities,) = np.array(reply["probabilities"])
    expect(here(page).locator(".bar span:last-child")).to_have_text([*map(shown, probabilities)])
    left, right = page.evaluate(COLOURS_AT, [[0.02, 0.5], [0.98, 0.5]])
    assert left != right
    visit.check()


def test_without_such_a_model_it_says_how_to_get_one(page: Page, tmp_path: Path) -> None:
    publish_mixed(tmp_path)
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(tmp_path)}, traced=False)
    visit = Visit(page, server.url)

    visit.open("map")

    expect(page.get_by_text("No model with two numbers as features is served.")).to_be_visible()
    expect(page.get_by_text("softmaxd train blobs")).to_be_visible()
    visit.check()
    assert server.stop() == 0


def test_a_refusal_is_told_in_words(visit: Visit) -> None:
    page = visit.open("map")
    visit.refusals_expected = 1
    page.route("**/infer", lambda route: route.fulfill(status=503, body='{"error": "The service is shutting down"}'))

    page.get_by_role("button", name="Zoom in").click()

    expect(page.get_by_role("alert")).to_have_text("The service is shutting down")
