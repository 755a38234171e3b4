"""Try, one row by a form: its answer is that of the service for the same values."""

import csv
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.playground import Visit
from tests.support.server import Server
from tests.support.trying import bars, cells, predict, service_with_tables, shown, status, visiting


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with service_with_tables(tmp_path_factory.mktemp("models")) as server:
        yield server


def test_one_row_has_the_answer_of_the_service(visit: Visit) -> None:
    page = visit.open("try?model=iris")

    page.get_by_label("petal_length").fill("5.10000000000000012345")
    page.get_by_label("Coverage").select_option("80 %")

    row = [6.05, 3.3, 5.10000000000000012345, 1.25]
    expected = predict(visit, "iris", [row], include=["prediction_sets", "typicality"], coverage=0.8)
    expect(bars(page)).to_have_text([shown(each) for each in expected["probabilities"][0]])
    sets = ", ".join(expected["prediction_sets"][0]) or "empty"
    expect(page.get_by_text(f"Prediction set: {sets}", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Typicality: {expected['typicality'][0]:.1%}".replace("%", " %"))).to_be_visible()
    line = page.get_by_label("The same request for a shell")
    expect(line).to_contain_text("5.10000000000000012345,1.25")  # as it is written
    expect(line).to_contain_text('"coverage":0.8')
    printed = subprocess.run(shlex.split(line.inner_text()), capture_output=True, check=True, timeout=30).stdout
    assert json.loads(printed) == expected
    expect(page).to_have_url(re.compile("coverage=0.8"))  # a moment later

    page.reload()

    expect(page.get_by_label("petal_length")).to_have_value("5.10000000000000012345")
    expect(page.get_by_label("Coverage")).to_have_value("0.8")

    page.get_by_role("link", name="Why this answer?").click()

    expect(page.get_by_role("heading", name="Why this answer?")).to_be_visible()
    expect(page.locator("#field-2")).to_have_value("5.10000000000000012345")


def test_a_wrong_value_is_told_beside_its_field(visit: Visit) -> None:
    visit.refusals_expected = 1
    page = visit.open("try?model=iris")
    field = page.get_by_label("sepal_width")
    for text, problem in {
        "3,5": "“3,5” has a comma: write a decimal point, and no mark for thousands",
        "": "It is empty, but may not be missing",
        "wide": "“wide” is no number",
        "1e39": "Input should be a finite number, also as float32",  # says the service
    }.items():
        field.fill(text)

        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(problem)
        expect(page.get_by_text("Mend the row first")).to_be_visible()

    field.fill("100")

    expect(field).to_have_accessible_description("outside 2.2 to 4.4 in training")
    expect(page.get_by_label("Answer").get_by_text("Unlike the training rows. The model")).to_be_visible()


def test_a_feature_may_have_any_name(visit: Visit) -> None:
    page = visit.open("try?model=spaced")
    for name in ("sepal length (cm)", '1, "2"'):
        field = page.get_by_label(name)
        field.fill("a")

        expect(field).to_have_accessible_description("“a” is no number")

    page.get_by_role("button", name="Example rows").click()

    expect(status(page)).to_have_text("6 rows answered.")
    expect(page.get_by_label("Rows, pasted")).to_have_value(re.compile('^sepal length \\(cm\\),"1, ""2"""\n-1,'))


def test_a_table_has_categories_truths_and_missing_values(visit: Visit) -> None:
    page = visit.open("try?model=people")
    page.get_by_label("age").fill("")
    page.get_by_label("job", exact=True).select_option("(missing)")
    page.get_by_label("member").check()
    page.get_by_label("city", exact=True).select_option("another text …")
    page.get_by_label("city: another text").fill("Bergen")

    row = {"age": None, "job": None, "income": 500, "member": True, "children": 5, "city": "Bergen"}
    expected = predict(visit, "people", [row])["probabilities"][0]
    expect(bars(page)).to_have_text([shown(each) for each in expected])
    expect(page.get_by_text("The model has no calibration data")).to_be_visible()

    page.get_by_label("children").fill("1.5")

    expect(page.get_by_text("“1.5” is no whole number")).to_be_visible()

    page.get_by_label("Model").select_option("iris, version 1")  # the form of another model

    expect(page.get_by_label("petal_width")).to_have_value("1.25")


def test_a_tensor_is_pasted(visit: Visit) -> None:
    page = visit.open("try?model=digits")
    rows = [[(5 * row * column) % 17 for column in range(8)] for row in range(8)]
    expected = predict(visit, "digits", [rows])["probabilities"][0]

    page.get_by_label("image").fill("\n".join("\t".join(map(str, row)) for row in rows))

    expect(bars(page)).to_have_text([shown(each) for each in expected])

    page.get_by_label("image").fill("1 2 3")

    expect(page.get_by_text("It has 3 numbers, not 64 (8 × 8)")).to_be_visible()

    page.get_by_label("image").fill(json.dumps(rows))

    expect(bars(page)).to_have_text([shown(each) for each in expected])


def test_example_rows_are_those_of_the_model(visit: Visit) -> None:
    page = visit.open("try")
    for model in ("digits", "people", "blobs"):
        page.get_by_label("Model").select_option(f"{model}, version 1")
        expect(page.get_by_label("The same request for a shell")).to_contain_text(f"/models/{model}/")
        expect(status(page)).to_have_text("")

        page.get_by_role("button", name="Example rows").click()

        expect(status(page)).to_have_text("6 rows answered.")
    _, *rows = csv.reader(page.get_by_label("Rows, pasted").input_value().splitlines())
    assert cells(page, 2) == predict(visit, "blobs", [[*map(float, row)] for row in rows])["labels"]


def test_a_service_without_a_model_says_how_to_get_one(browser: Browser, tmp_path: Path) -> None:
    with visiting(browser, "--models-dir", str(tmp_path), environment={}) as visit:
        page = visit.open("try")

        expect(page.get_by_text("No model is served now.")).to_be_visible()
