"""Why: each feature of a row moves, and the page draws the service's answers."""

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from softmaxd.models.features import Feature
from tests.support.onnx_models import pictures, publish
from tests.support.playground import Visit, VisitTo
from tests.support.tables import publish_filled, publish_mixed, publish_texts

Json = dict[str, Any]
NOTE = "A picture of the model, not of the world."


def cards(page: Page) -> Locator:
    return page.locator(".gallery > section")


def row_of(page: Page) -> list[str | None]:
    """The row of the URL."""
    found: list[str | None] = json.loads(page.evaluate("new URLSearchParams(location.hash.split('?')[1]).get('row')"))
    return found


def open_with_request(visit: Visit, state: str) -> Json:
    """Open the view, and return the body of its request for the answers."""
    with visit.page.expect_request("**/predict") as asked:
        visit.open(state)
    body: Json = json.loads(asked.value.post_data or "")
    return body


def test_one_request_moves_each_feature_over_its_range_and_the_widest_comes_first(visit: Visit) -> None:
    body = open_with_request(visit, "why?model=iris")
    page = visit.page
    reply = httpx.post(f"{visit.url}/models/iris/predict", json=body).json()
    features = httpx.get(f"{visit.url}/models/iris").json()["features"]

    rows, p = np.array(body["instances"]), np.array(reply["probabilities"])
    moved = rows[1:] != rows[0]
    assert moved.sum(axis=1).max() == 1
    sections = np.split(np.arange(1, len(rows)), len(features))
    widths = {}
    for index, (feature, section) in enumerate(zip(features, sections, strict=True)):
        assert rows[section, index].min() == feature["min"]
        assert rows[section, index].max() == feature["max"]
        low, high = p[section].min(axis=0), p[section].max(axis=0)
        most = int((high - low).argmax())
        widths[feature["name"]] = high[most] - low[most]
        card = page.get_by_role("region", name=feature["name"], exact=True)
        expect(card).to_contain_text(f"“{reply_label(page, most)}” moves most: from")
        shown = re.findall(r"[<>]?[01]?\.\d{4}", card.locator("p").inner_text())
        assert [float(number.strip("<>")) for number in shown] == pytest.approx([low[most], high[most]], abs=1e-4)
        expect(card.locator(".curve:not(.thin)")).to_have_count(3)
        answers = [label for label, _ in groupby(reply["labels"][row] for row in section)]
        named = card.locator("svg g:last-child text").all_text_contents()  # without narrow stretches
        assert [name for name in answers if name in named] == named != []
        is_unlike = np.array(reply["typicality"])[section] < 0.05
        expect(card.locator("rect.unlike")).to_have_count(int((np.diff(is_unlike, prepend=False) & is_unlike).sum()))
    expect(cards(page).locator("h3")).to_have_text(sorted(widths, key=lambda name: -widths[name]))
    expect(page.get_by_text(NOTE)).to_be_visible()


def reply_label(page: Page, index: int) -> str:
    return page.get_by_role("region", name="Answer").get_by_role("rowheader").nth(index).inner_text()


def test_a_slider_moves_the_row_and_the_cards_keep_their_places_until_the_form_changes(visit: Visit) -> None:
    page = visit.open("why?model=iris")
    before = cards(page).locator("h3").all_inner_texts()
    answer = page.get_by_role("region", name="Answer")

    page.get_by_role("slider", name="Move petal_width").focus()
    page.keyboard.press("End")

    expect(page.get_by_role("textbox", name="petal_width")).to_have_value("2.4")
    expect(answer).to_contain_text("“virginica”, with")
    expect(page).to_have_url(re.compile("%222.4%22"))
    row = [float(text or "") for text in row_of(page)]
    p = httpx.post(f"{visit.url}/models/iris/predict", json={"instances": [row]}).json()["probabilities"][0]
    expect(answer.locator(".bar span:last-child")).to_have_text([f"{each:.4f}" for each in p])
    expect(page.get_by_role("img", name=re.compile("petal_width.*At 2.4, the present value"))).to_be_visible()
    assert cards(page).locator("h3").all_inner_texts() == before
    page.get_by_role("textbox", name="petal_length").fill("9")
    expect(page.get_by_text("outside 1 to 6.7 in training")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("petal_length from 1 to 9"))).to_be_visible()
    expect(cards(page).locator("h3")).not_to_have_text(before)
    expect(page).to_have_url(re.compile("%229%22"))
    page.reload()
    expect(page.get_by_role("textbox", name="petal_length")).to_have_value("9")
    expect(page.get_by_role("textbox", name="petal_width")).to_have_value("2.4")


def test_a_row_comes_from_the_training_rows_or_from_the_view_try(visit: Visit) -> None:
    page = visit.open("why?model=blobs")
    answer = page.get_by_role("region", name="Answer")
    for label in ("blob-0", "blob-2"):
        page.get_by_role("button", name=f"A training row of {label}").click()
        expect(answer).to_contain_text(f"“{label}”, with")

    visit.open("try?model=iris")
    page.get_by_role("textbox", name="petal_length").fill("1.5")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("“setosa”, with")
    page.get_by_role("link", name="Why this answer?").click()

    expect(page.get_by_role("textbox", name="petal_length")).to_have_value("1.5")
    expect(answer).to_contain_text("“setosa”, with")
    page.get_by_role("button", name="The middle of the ranges").click()
    expect(answer).to_contain_text("“versicolor”, with")


def test_categories_and_missing_values_are_bars_and_a_wrong_value_is_told_in_words(
    visit_to: VisitTo, tmp_path: Path
) -> None:
    publish_mixed(tmp_path)
    visit = visit_to(tmp_path)
    page = visit.open(f"why?model=people&row={json.dumps(['41', 'clerk', '120', 'true', '2', 'Bern'])}")
    rows = [
        {"age": 41, "job": job, "income": 120, "member": True, "children": 2, "city": "Bern"}
        for job in ("clerk", "Köchin", "", 'say "x"},{', None)
    ]
    reply = httpx.post(f"{visit.url}/models/people/predict", json={"instances": rows}).json()

    jobs = page.get_by_role("region", name="job", exact=True).get_by_role("row")
    names = ["clerk, now", "Köchin", "(empty)", 'say "x"},{', "(missing)"]
    for index, (name, p) in enumerate(zip(names, reply["probabilities"], strict=True)):
        expect(jobs.nth(index).get_by_role("rowheader")).to_have_text(name)
        expect(jobs.nth(index).locator(".number")).to_have_text(f"{max(p):.4f}")
        expect(jobs.nth(index).get_by_role("cell").last).to_have_text(reply["labels"][index])
    cities = page.get_by_role("region", name="city", exact=True).get_by_role("rowheader")
    expect(cities).to_have_text(["Rome", "Oslo", "Bern, now"])
    expect(page.get_by_role("region", name="member", exact=True).get_by_role("rowheader")).to_have_text(
        ["false", "true, now"]
    )
    age = page.get_by_role("region", name="age", exact=True)
    expect(age.get_by_role("rowheader")).to_have_text("(missing)")
    page.get_by_role("textbox", name="age").fill("")
    expect(age.get_by_role("rowheader")).to_have_text("(missing), now")
    expect(age.get_by_role("img", name=re.compile("It is missing now"))).to_be_visible()
    page.get_by_role("textbox", name="children").fill("2.5")
    expect(page.get_by_text("“2.5” is no whole number")).to_be_visible()
    expect(page.get_by_text("Mend the row first.")).to_be_visible()


def test_of_many_features_the_first_are_moved_and_texts_of_any_kind_are_not(visit_to: VisitTo, tmp_path: Path) -> None:
    publish_filled(tmp_path, columns=60)
    publish_texts(tmp_path, 2)
    visit = visit_to(tmp_path)

    page = visit.open("why?model=filled")
    expect(cards(page)).to_have_count(40)
    expect(page.get_by_text("The first 40 features are moved, the other 20 are not.")).to_be_visible()
    page.locator("#model").select_option("texts, version 1")

    expect(page.get_by_text("Not moved: t0, t1. Any text is possible there.")).to_be_visible()
    expect(cards(page)).to_have_count(0)


def test_without_such_a_model_the_page_says_how_to_get_one(visit_to: VisitTo, tmp_path: Path) -> None:
    content = pictures((8, 8)).SerializeToString()
    publish(tmp_path, 1, content, features=[Feature(name="image", shape=(8, 8))])

    page = visit_to(tmp_path).open("why")

    expect(page.get_by_text("No served model has features of single values.")).to_be_visible()
