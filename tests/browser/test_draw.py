"""Draw: a drawing becomes a small picture, and the page shows the service's answer for it."""

import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import TensorProto
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect

from softmaxd.models.features import Feature
from tests.support.onnx_models import pictures, publish
from tests.support.playground import Visit, VisitTo, drop
from tests.support.server import Server

Json = dict[str, Any]
LIGHT, DARK = "white", "#102030"


def verdict(page: Page) -> Locator:
    return page.get_by_role("region", name="What the model says").locator("p").first


def pad(page: Page) -> Locator:
    return page.get_by_role("application", name="Drawing")


def request_of(page: Page) -> tuple[str, Json]:
    """The request of the page, as its line for a shell has it: the URL and the body."""
    words = shlex.split(page.get_by_label("The same request for a shell").text_content() or "")
    return words[1], json.loads(words[-1])


def body(page: Page) -> Json:
    return request_of(page)[1]


def answer(page: Page) -> Json:
    url, content = request_of(page)
    found: Json = httpx.post(url, json=content).json()
    return found


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Draw a stroke by mouse: the points are shares of the pad's sides."""
    box = pad(page).bounding_box()
    assert box is not None
    (x, y), *more = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in more:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def test_every_digit_is_read_and_the_numbers_are_those_of_the_service(visit: Visit) -> None:
    page = visit.open("draw")
    for digit in "0123456789":
        page.get_by_role("group", name="Examples").get_by_label(digit).click()

        expect(verdict(page)).to_contain_text(f"“{digit}”, with")
        found = answer(page)
        assert found["labels"] == [digit]
        expect(page.get_by_text(f"Prediction set: {digit}", exact=True)).to_be_visible()
        expect(page.get_by_text(f"Typicality: {100 * found['typicality'][0]:.1f} %", exact=True)).to_be_visible()
        numbers = page.get_by_role("region", name="What the model says").locator(".bar span:last-child")
        shown = [float(text.strip("<>")) for text in numbers.all_text_contents()]
        assert shown == pytest.approx(found["probabilities"][0], abs=1e-4)


def test_what_is_no_digit_is_said_to_be_none(visit: Visit) -> None:
    page = visit.open("draw")
    for name in ("A scribble", "A face", "Two digits"):
        page.get_by_label(name, exact=True).click()

        expect(verdict(page)).to_contain_text("Unlike the training rows.")
        assert answer(page)["typicality"][0] < 0.05


def test_the_bars_follow_the_mouse_and_a_drawing_is_undone_cleared_and_shared(visit: Visit) -> None:
    page = visit.open("draw")
    page.get_by_role("button", name="Clear").click()
    expect(verdict(page)).to_contain_text("Nothing is drawn")
    assert answer(page)["labels"] == ["1"]

    drag(page, (0.3, 0.3), (0.5, 0.25), (0.7, 0.3), (0.4, 0.8), (0.7, 0.8))
    expect(verdict(page)).to_contain_text("“2”")
    drag(page, (0.1, 0.9), (0.9, 0.1))
    expect(verdict(page)).not_to_contain_text("“2”, with >")
    page.get_by_role("button", name="Undo").click()
    expect(verdict(page)).to_contain_text("“2”")
    before = body(page)
    page.get_by_label("Thickness").fill("16")
    expect(page).to_have_url(re.compile("pen=16"))
    page.get_by_label("Place of the drawing").select_option("As it is drawn")

    expect(page).to_have_url(re.compile("pen=16&fit=none"))
    shared = body(page)
    page.reload()
    expect(page.get_by_label("Thickness")).to_have_value("16")
    assert body(page) == shared != before


def test_a_digit_is_drawn_by_keyboard_alone(visit: Visit) -> None:
    page = visit.open("draw?strokes=")
    pad(page).focus()

    for _ in range(6):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+ArrowUp")
    expect(page.locator("#said")).to_have_text("At column 8, row 2 of 16")
    for _ in range(11):
        page.keyboard.press("Shift+ArrowDown")

    expect(verdict(page)).to_contain_text("“1”")
    page.keyboard.press("Space")
    expect(page.locator("#said")).to_have_text(re.compile("“1”"))
    for _ in range(12):
        page.keyboard.press("Backspace")
    expect(verdict(page)).to_contain_text("Nothing is drawn")


def test_a_finger_draws(browser: Browser, service: Server) -> None:
    page = browser.new_page(has_touch=True, viewport={"width": 360, "height": 740})
    visit = Visit(page, service.url)
    visit.open("draw?strokes=")
    expect(verdict(page)).to_contain_text("Nothing is drawn")
    box = pad(page).bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    x, y, height = box["x"] + box["width"] / 2, box["y"], box["height"]

    for kind, share in [("touchStart", 0.2), *(("touchMove", 0.2 + step / 20) for step in range(13)), ("touchEnd", 0)]:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y + share * height}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    expect(verdict(page)).to_contain_text("“1”")
    visit.check()
    page.close()


@pytest.mark.parametrize(("kind", "paper", "ink"), [("PNG", LIGHT, DARK), ("JPEG", DARK, LIGHT)])
def test_a_picture_of_a_digit_is_read(visit: Visit, kind: str, paper: str, ink: str) -> None:
    image = Image.new("RGB", (900, 600), paper)
    ImageDraw.Draw(image).line([(420, 210), (500, 120), (560, 210), (420, 420), (580, 420)], ink, 34, "curve")
    content = io.BytesIO()
    image.save(content, kind)
    page = visit.open("draw")
    upload = page.get_by_label("Or a picture from a file")

    upload.set_input_files({"name": "two", "mimeType": f"image/{kind.lower()}", "buffer": content.getvalue()})

    expect(verdict(page)).to_contain_text("“2”")
    inverted = page.get_by_label("Its ink is lighter than its paper")
    expect(inverted).to_be_checked(checked=ink == LIGHT)
    page.get_by_label("Place of the drawing").select_option("As it is drawn")
    expect(page).to_have_url(re.compile("fit=none"))
    ink_in_all = sum(map(sum, body(page)["instances"][0]))
    line = page.get_by_label("The same request for a shell")
    before = line.text_content() or ""
    inverted.click()
    expect(line).not_to_have_text(before)
    assert sum(map(sum, body(page)["instances"][0])) > 3 * ink_in_all


def test_a_picture_is_dropped_anywhere(visit: Visit) -> None:
    page = visit.open("draw?strokes=AA")
    file = io.BytesIO()
    Image.new("RGB", (20, 20), LIGHT).save(file, "PNG")

    drop(page, "h1", "white.png", file.getvalue())

    expect(page).not_to_have_url(re.compile("strokes"))
    expect(page.locator(".pad.pictured")).to_be_visible()


def test_a_file_that_is_no_picture_is_refused_in_words(visit: Visit) -> None:
    page = visit.open("draw")

    upload = page.get_by_label("Or a picture from a file")
    upload.set_input_files({"name": "note.png", "mimeType": "image/png", "buffer": b"no picture"})

    expect(page.get_by_role("alert")).to_have_text(
        "note.png is no picture that this browser can read. Choose a PNG or a JPEG."
    )


def publish_pictures(models: Path, name: str, shape: tuple[int, ...], **changes: Any) -> None:
    kind = TensorProto.UINT8 if changes.get("datatype") == "UINT8" else TensorProto.FLOAT
    publish(
        models,
        1,
        pictures(shape, kind).SerializeToString(),
        name=name,
        features=[Feature(name="image", shape=shape)],
        **changes,
    )


def test_models_of_other_shapes_get_rows_of_theirs(visit_to: VisitTo, tmp_path: Path) -> None:
    publish_pictures(tmp_path, "first", (1, 12, 8))
    publish_pictures(tmp_path, "last", (28, 28, 1), datatype="UINT8")
    publish_pictures(tmp_path, "colours", (3, 16, 16))
    publish_pictures(tmp_path, "large", (65, 65))
    page = visit_to(tmp_path).open("draw")
    expect(page.locator("#model").locator("option")).to_have_count(3)

    for name, shape, most in (("first", (1, 12, 8), 1), ("last", (28, 28, 1), 255), ("colours", (3, 16, 16), 1)):
        page.locator("#model").select_option(f"{name}, version 1")

        expect(page).to_have_url(re.compile(f"model={name}"))
        page.get_by_label("Two digits").click()
        expect(page).to_have_url(re.compile("strokes=M"))
        row = body(page)["instances"][0]
        assert np.shape(row) == shape
        assert np.min(row) == 0
        assert 0.9 * most < np.max(row) <= most
        expect(page.get_by_text("this is a guess.")).to_be_visible()
        expect(page.get_by_text("No prediction set, no typicality")).to_be_visible()


def test_without_such_a_model_the_page_says_how_to_get_one(visit_to: VisitTo, tmp_path: Path) -> None:
    publish_pictures(tmp_path, "large", (65, 65))

    page = visit_to(tmp_path).open("draw")

    expect(page.get_by_text("No served model takes a small picture.")).to_be_visible()
