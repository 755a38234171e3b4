"""A service with keys: the page asks for one, keeps it for its tab, and works with it in every view."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.keys import FIRST, ONLY_BLOBS, bearer, hashed, write_keys
from tests.support.playground import Visit, axe_violations
from tests.support.server import Server

HOLD = "key => sessionStorage.setItem('softmaxd-key', key)"
HEADINGS = {
    "explorer": "From scores to probabilities",
    "map": "The map of a model",
    "draw": "Draw, and see",
    "try": "Try a model",
    "why": "Why this answer?",
    "model": "A model and its service",
    "tour": "1. Logits",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two keys: one for everything but changes, and one that may only predict with one model."""
    file = write_keys(tmp_path_factory.mktemp("keys") / "keys", hashed(FIRST), f"{hashed(ONLY_BLOBS)} predict blobs")
    server = Server(environment={"SOFTMAXD_API_KEYS_FILE": str(file)}, traced=False)
    yield server
    assert server.stop() == 0


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Key")


def enter(page: Page, key: str) -> None:
    dialog(page).get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")


def asked(visit: Visit, state: str = "") -> Page:
    """Open a view without a key, which the service refuses, so that the page asks for one."""
    visit.refusals_expected = 20
    visit.page.goto(f"{visit.url}/#{state}")
    expect(dialog(visit.page)).to_be_visible()
    return visit.page


def with_key(visit: Visit, state: str = "") -> Page:
    """Open a view in a tab that holds the key."""
    visit.page.goto(f"{visit.url}/playground/favicon.svg")
    visit.page.evaluate(HOLD, FIRST)
    return visit.open(state)


def test_a_wrong_key_is_told_and_a_right_one_is_kept_for_the_tab(visit: Visit) -> None:
    page = asked(visit)
    expect(dialog(page).get_by_label("Key", exact=True)).to_be_focused()
    assert axe_violations(page) == []

    enter(page, "wrong")

    expect(dialog(page).get_by_role("alert")).to_have_text("The service does not know this key, or not any more")
    enter(page, FIRST)
    expect(dialog(page)).to_be_hidden()
    expect(page.locator("tbody .bar").first).to_contain_text("0.0157")
    assert page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]") == [
        [FIRST],
        [],
        "",
    ]
    visit.refusals_expected = 0
    page.reload()
    expect(page.locator("tbody .bar").first).to_contain_text("0.0157")

    visit.refusals_expected = 20
    page.get_by_role("button", name="Forget the key").click()

    expect(dialog(page).get_by_label("Key", exact=True)).to_have_value("")
    assert page.evaluate("Object.values(sessionStorage).join('')") == ""


def test_a_key_that_no_header_can_have_is_not_taken(visit: Visit) -> None:
    page = asked(visit)

    enter(page, "ключ")

    expect(dialog(page).get_by_label("Key", exact=True)).to_be_focused()
    enter(page, f" {FIRST} ")
    expect(page.locator("tbody .bar").first).to_contain_text("0.0157")


def test_without_a_key_the_service_is_quoted_and_its_numbers_are_not_asked_for_again(visit: Visit) -> None:
    visit.page.clock.install()
    page = asked(visit, "model")

    page.keyboard.press("Escape")

    expect(page.get_by_role("alert").filter(has_text="A key is needed").first).to_be_visible()
    page.clock.run_for(10_000)
    expect(dialog(page)).to_be_hidden()
    page.get_by_role("button", name="Try again").click()
    enter(page, FIRST)
    expect(page.locator("main h1")).to_have_text(HEADINGS["model"])


def test_a_key_that_may_not_read_is_told_so(visit: Visit) -> None:
    page = asked(visit, "map")

    enter(page, ONLY_BLOBS)

    expect(page.get_by_role("alert").filter(has_text="This key does not have the scope read").first).to_be_visible()
    expect(page.get_by_role("button", name="Forget the key")).to_be_visible()


@pytest.mark.parametrize("view", HEADINGS)
def test_every_view_works_with_a_key(visit: Visit, view: str) -> None:
    page = with_key(visit, view)

    expect(page.locator("main h1")).to_contain_text(HEADINGS[view])
    assert [text for text in page.get_by_role("alert").all_inner_texts() if text] == []
    expect(dialog(page)).to_be_hidden()


def test_many_rows_are_answered_with_the_key(visit: Visit) -> None:
    page = with_key(visit, "try?model=blobs")

    page.get_by_role("button", name="Example rows").click()

    expect(page.get_by_role("region", name="Several rows").get_by_text("6 rows answered.")).to_be_visible()


def test_files_and_pictures_of_a_version_come_with_the_key(visit: Visit) -> None:
    page = with_key(visit, "model?model=blobs")

    with page.expect_download() as download:
        page.get_by_role("link", name="card.md").click()
    page.get_by_text("Pictures of the card (5)").click()

    assert Path(download.value.path()).read_bytes() == Path("models/blobs/2/card.md").read_bytes()
    assert download.value.suggested_filename == "blobs-2-card.md"
    picture = page.get_by_role("img", name="Decision regions").element_handle()
    page.wait_for_function("picture => picture.complete && picture.naturalWidth > 0", arg=picture)


def test_the_line_for_a_shell_has_the_key_as_a_variable(visit: Visit) -> None:
    page = with_key(visit)
    line = page.get_by_label("The same request for a shell").inner_text()

    command = ["sh", "-c", line]
    printed = subprocess.run(command, env={**os.environ, "KEY": FIRST}, capture_output=True, check=True, timeout=30)

    assert FIRST not in line
    answer = httpx.post(f"{visit.url}/softmax", json={"logits": [0.7, 1.5, 4.8]}, headers=bearer(FIRST)).json()
    assert json.loads(printed.stdout)["probabilities"] == answer["probabilities"]
