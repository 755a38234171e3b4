"""The softmax explorer: every number on it is the service's, and every control does what it says."""

import json
import re
import shlex
import subprocess

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.playground import Visit
from tests.support.server import Server

ARTICLE = ["0.0157", "0.0350", "0.9493"]


def bars_of(page: Page, column: int) -> Locator:
    """The numbers of softmax (1), sigmoid (2) or argmax (3)."""
    table = page.get_by_role("region", name="Softmax, sigmoid and argmax")
    return table.locator(f"tbody td:nth-child({column + 1}) .bar span:last-child")


def test_it_begins_with_the_example_of_the_article(visit: Visit) -> None:
    page = visit.open()

    expect(bars_of(page, 1)).to_have_text(ARTICLE)
    expect(bars_of(page, 2)).to_have_text(["0.6682", "0.8176", "0.9918"])
    expect(bars_of(page, 3)).to_have_text(["0", "0", "1"])
    expect(page.get_by_text("loss = −ln 0.9493 = 0.052076 nats")).to_be_visible()


def test_the_airplane_costs_what_the_article_says(visit: Visit) -> None:
    page = visit.open()

    page.get_by_role("button", name="Dog, cat, boat, airplane").click()

    expect(bars_of(page, 1).nth(3)).to_have_text("0.9315")
    expect(page.get_by_role("row", name=re.compile(r"^airplane \(true\)"))).to_contain_text("0.07091")


def test_two_classes_show_that_softmax_is_sigmoid(visit: Visit) -> None:
    page = visit.open()

    page.get_by_role("button", name="Two classes").click()

    for column in (1, 2):
        expect(bars_of(page, column).first).to_have_text("0.8808")


def test_the_textbook_formula_overflows_and_the_service_does_not(visit: Visit) -> None:
    page = visit.open()

    page.get_by_role("button", name="Too large for the textbook").click()

    expect(bars_of(page, 1)).to_have_text(["0.0420", "0.1142", "0.8438"])
    expect(page.get_by_role("group", name="The steps of softmax").get_by_text("∞ ÷ ∞ = NaN")).to_have_count(2)


def test_a_slider_moves_by_keyboard_and_the_numbers_follow(visit: Visit) -> None:
    page = visit.open()
    slider = page.get_by_role("slider", name="Logit of class 0")

    slider.focus()
    page.keyboard.press("End")

    expect(page.get_by_label("Logit of class 0, as a number")).to_have_value("10")
    expect(bars_of(page, 1).first).to_have_text("0.9943")
    expect(page.get_by_role("heading", name="As the logit of “class 0” moves")).to_be_visible()


def test_the_temperature_makes_the_answer_less_sure(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("Temperature, as a number").fill("100")

    expect(bars_of(page, 1)).to_have_text(["0.3279", "0.3305", "0.3416"])


def test_classes_are_added_renamed_and_removed(visit: Visit) -> None:
    page = visit.open()

    page.get_by_role("button", name="Add a class").click()
    page.get_by_label("Name of class 3").fill("zebra")
    expect(page.get_by_role("rowheader", name="zebra").first).to_be_visible()
    page.get_by_role("button", name="Remove class 1").click()

    expect(bars_of(page, 1)).to_have_count(3)
    expect(page.get_by_role("rowheader", name="class 1")).to_have_count(0)


@pytest.mark.parametrize("text", ["", "1e999"])
def test_a_logit_that_is_no_number_is_marked_and_not_sent(visit: Visit, text: str) -> None:
    page = visit.open()
    field = page.get_by_label("Logit of class 0, as a number")

    field.fill(text)

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(bars_of(page, 1)).to_have_text(ARTICLE)


def test_logits_at_the_ends_of_float64_are_shown(visit: Visit) -> None:
    page = visit.open()

    page.get_by_label("Logit of class 0, as a number").fill("1.7e308")
    page.get_by_label("Logit of class 1, as a number").fill("-1.7e308")

    expect(bars_of(page, 1)).to_have_text(["1.0000", "0.0000", "0.0000"])


def test_a_service_that_is_gone_is_told_in_words(page: Page) -> None:
    server = Server(environment={}, traced=False)
    page.goto(server.url)
    expect(bars_of(page, 1)).to_have_text(ARTICLE)
    assert server.stop() == 0

    page.get_by_role("button", name="Add a class").click()

    expect(page.get_by_role("alert")).to_have_text("The service does not answer. Is it still running?")


def test_a_state_is_shared_by_its_url(visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("Name of class 0").fill("a,b|c")
    page.get_by_label("Logit of class 0, as a number").fill("-2.5")
    expect(bars_of(page, 1).first).to_have_text("0.0007")

    page.goto("about:blank")
    page.go_back()

    expect(page.get_by_label("Name of class 0")).to_have_value("a,b/c")
    expect(bars_of(page, 1).first).to_have_text("0.0007")


def test_the_line_for_a_shell_gives_the_same_answer(visit: Visit) -> None:
    page = visit.open()
    line = page.get_by_label("The same request for a shell").inner_text()

    printed = subprocess.run(shlex.split(line), capture_output=True, text=True, check=True, timeout=30).stdout

    body = {"logits": [0.7, 1.5, 4.8]}
    assert json.loads(printed)["probabilities"] == httpx.post(f"{visit.url}/softmax", json=body).json()["probabilities"]


def test_the_line_is_copied(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open()

    page.get_by_role("button", name="Copy").click()

    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert (
        page.evaluate("navigator.clipboard.readText()")
        == page.get_by_label("The same request for a shell").inner_text()
    )
