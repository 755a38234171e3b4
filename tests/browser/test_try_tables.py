"""Try, many rows by a table: each answer is that of the service, in the page and in the download."""

import csv
import json
import random
import re
import socket
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support.playground import Visit, axe_violations, drop
from tests.support.server import Server
from tests.support.trying import (
    answer_rows,
    cells,
    downloaded,
    predict,
    service_with_tables,
    shown,
    status,
    table,
    upload,
    visiting,
)

MANY = 100_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with service_with_tables(tmp_path_factory.mktemp("models")) as server:
        yield server


def test_rows_are_pasted_from_a_spreadsheet_sorted_and_filtered(visit: Visit) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visit.open("try?model=iris")
    rows = [[5.1, 3.5, 1.4, 0.2], [6.3, 2.9, 5.6, 1.8], [6.0, 2.7, 4.5, 1.5], [5.0, 3.4, 1.5, 0.2]]
    page.evaluate("text => navigator.clipboard.writeText(text)", "\n".join("\t".join(map(str, row)) for row in rows))

    page.get_by_label("Rows, pasted").focus()
    page.keyboard.press("Control+V")

    expect(status(page)).to_have_text("4 rows answered.")
    expected = predict(visit, "iris", rows, include=["prediction_sets", "typicality"])
    best = [max(each) for each in expected["probabilities"]]
    assert cells(page, 2) == expected["labels"]
    assert cells(page, 3) == [shown(each) for each in best]
    assert cells(page, 4) == [", ".join(each) or "none" for each in expected["prediction_sets"]]
    assert cells(page, 6) == ["5.1", "6.3", "6.0", "5.0"]

    head = page.get_by_role("columnheader", name="Probability")
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert cells(page, 3) == [shown(each) for each in sorted(best)]
    head.get_by_role("button").press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert cells(page, 3) == [shown(each) for each in sorted(best, reverse=True)]

    page.locator("#filter").select_option("setosa (2)")
    assert cells(page, 2) == ["setosa", "setosa"]

    page.get_by_role("button", name="Show line 4 as one row").press("Enter")
    expect(page.get_by_label("sepal_length")).to_be_focused()
    expect(page.get_by_label("petal_width")).to_have_value("0.2")
    expect(page.get_by_label("sepal_length")).to_have_value("5.0")


FILE = (
    '\ufefffirst name,income,"city",member,age,job,children\r\n'
    '"Ann ""A."", ©",120.5,Rome,TRUE,41,"clerk",2\r\n'
    "\r\n"
    'Bob,+.50,"a\nb",0,NA,?,007\r\n'
    '=1+1,"1,5",Oslo,true,1,clerk,1\r\n'
    "short,1\r\n"
    "Eve,1,Oslo,perhaps,1,clerk,1\r\n"
    'Dan,"1" 2,Oslo,true,1,clerk,1\r\n'
    "Zoë,77.70000000000000001,Oslo,false,77,Köchin,1"
)
PROBLEMS = {
    6: "income: “1,5” has a comma: write a decimal point, and no mark for thousands",
    7: "it has 2 values, not 7",
    8: "member: “perhaps” is neither true nor false",
    9: "a quote is not closed, or text follows it",
}


def test_a_file_is_answered_and_downloaded_without_a_loss(visit: Visit) -> None:
    page = visit.open("try?model=people")

    upload(page, FILE)

    expect(status(page)).to_have_text("3 rows answered, 4 rows with a problem.")
    expect(page.get_by_role("alert").locator("li")).to_have_text(
        [f"Line {line}: {problem}" for line, problem in PROBLEMS.items()]
    )
    assert axe_violations(page) == []
    rows = [
        [41, "clerk", 120.5, True, 2, "Rome"],
        [None, None, 0.5, False, 7, "a\nb"],
        [77, "Köchin", 77.7, False, 1, "Oslo"],
    ]
    expected = predict(visit, "people", rows)
    text = downloaded(page)
    header, *found = csv.reader(StringIO(text, newline=""))
    assert header[:8] == ["first name", "income", "city", "member", "age", "job", "children", "predicted_label"]
    assert header[8:] == ["probabilities.a", "probabilities.b", "probabilities.c", "problem"]
    answers = [row[7:] for row in found if not row[-1]]
    assert [row[0] for row in answers] == expected["labels"]
    assert [[float(each) for each in row[1:4]] for row in answers] == expected["probabilities"]
    assert [row[-1] for row in found if row[-1]] == [*PROBLEMS.values()]
    for line in FILE[1:].split("\r\n")[1:]:
        if line not in {"", "short,1"} and '"1" 2' not in line:
            assert line in text  # as it stands in the file
    assert found[3][:2] == ["short,1", ""]
    assert found[5][0] == 'Dan,"1" 2,Oslo,true,1,clerk,1'


MISFITS: dict[str | bytes, str] = {
    "x1,y\n1,2": "The first line has no column “x2”. Its columns are “x1”, “y”.",
    "x1,x2,x1\n1,2,3": "The first line names “x1” twice.",
    "a,b\n1,2": "The first line has “a”, “b”. It should name “x1”, “x2”, or be a row.",
    "1,2,3": "The first line has 3 columns, but the model takes 2: “x1”, “x2”. "
    "Name these in the first line to have others beside them.",
    "\n": "There are no rows.",
    b"x1,x2\n1,2\xff": "The file is not UTF-8: save the table as CSV in UTF-8.",
}


def test_a_file_that_does_not_fit_is_refused_in_words(visit: Visit) -> None:
    page = visit.open("try?model=blobs")
    for text, problem in MISFITS.items():
        upload(page, text)

        expect(page.get_by_role("alert").filter(has_text=problem)).to_be_visible()


def test_a_file_is_dropped_and_its_columns_are_parted_by_semicolons(visit: Visit) -> None:
    page = visit.open("try?model=blobs")

    drop(page, "h1", "rows.csv", b'x2;x1;note\n0;15;"a;b"\n15;15,5;c')

    expect(status(page)).to_have_text("1 row answered, 1 row with a problem.")
    expect(page.get_by_role("alert").get_by_text("Line 3: x1: “15,5” has a comma")).to_be_visible()
    assert cells(page, 2)[0] == predict(visit, "blobs", [[15, 0]])["labels"][0]
    assert "\n0,15,a;b,blob-0," in downloaded(page)

    page.get_by_role("button", name="Show line 3 as one row").click()  # to mend it

    expect(page.get_by_label("x1")).to_have_value("15,5")
    expect(page.get_by_label("x1")).to_have_attribute("aria-invalid", "true")

    drop(page, ".many", "rows.csv", b"x1,x2\n1,5,2")

    expect(page.get_by_role("alert").get_by_text("it has 3 values, not 2; a number needs a decimal")).to_be_visible()


def test_rows_that_the_model_cannot_run_are_found_among_others(visit: Visit) -> None:
    visit.refusals_expected = 100
    page = visit.open("try?model=shop&row=%5B%227%22%5D")

    answer_rows(page, "category\n" + "\n".join(map(str, [*range(1, 20), 0, 99, *range(20, 30)])))

    expect(status(page)).to_have_text("29 rows answered, 2 rows with a problem.")
    alert = page.get_by_role("alert").locator("li")
    expect(alert).to_have_text(
        [re.compile("^Line 21: .* output is finite$"), re.compile("^Line 22: The model cannot run")]
    )


def test_a_hundred_thousand_rows_do_not_hold_up_the_page(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    draw = random.Random(7)  # noqa: S311 - rows of a test
    rows = [[f"{draw.uniform(-5, 35):.5f}", f"{draw.uniform(-5, 20):.5f}"] for _ in range(MANY)]
    file.write_text("x1,x2\n" + "".join(f"{one},{other}\n" for one, other in rows))
    page = visit.open("try?model=blobs")
    page.locator("#file").set_input_files(file)

    page.get_by_role("button", name="Cancel").click()

    expect(page.get_by_role("alert").get_by_text("Cancelled.")).to_be_visible()

    page.locator("#file").set_input_files(file)

    expect(status(page)).to_have_text(f"{MANY:,} rows answered.", timeout=60_000)
    expect(table(page).get_by_role("table")).to_have_attribute("aria-rowcount", str(MANY + 1))
    assert len(cells(page, 1)) < 50
    page.get_by_role("button", name="Typicality").click()
    table(page).evaluate("element => element.scrollTo(0, element.scrollHeight)")
    expect(table(page).locator(f'[aria-rowindex="{MANY + 1}"]')).to_be_visible()
    _, *found = csv.reader(downloaded(page).splitlines())
    assert [row[:2] for row in found] == rows
    some = [0, MANY // 2, MANY - 1]
    expected = predict(
        visit, "blobs", [[*map(float, rows[at])] for at in some], include=["prediction_sets", "typicality"]
    )
    assert [found[at][2] for at in some] == expected["labels"]
    assert [[*map(float, found[at][3:7])] for at in some] == expected["probabilities"]
    assert [json.loads(found[at][7]) for at in some] == expected["prediction_sets"]
    assert [float(found[at][8]) for at in some] == expected["typicality"]


def test_batches_keep_to_the_limits_of_the_service_and_wait_while_it_is_busy(browser: Browser) -> None:
    limits = {"SOFTMAXD_MAX_ROWS": "300", "SOFTMAXD_MAX_INFLIGHT_BYTES": "200000"}
    with visiting(browser, environment=limits) as visit:
        visit.refusals_expected = 100
        page = visit.open("try?model=blobs")
        url = httpx.URL(visit.url)
        with socket.create_connection((url.host, url.port)) as other:
            head = (
                b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 199000\r\n\r\n"
            )
            other.sendall(head + b" " * 198_000)  # takes all of the budget

            answer_rows(page, "\n".join(f"{index},1" for index in range(1000)))

            expect(status(page)).to_have_text("The service is busy: trying again in 1 s")

        expect(status(page)).to_have_text("1,000 rows answered.")
