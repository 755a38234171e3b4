"""Try, the modules that read a table: in the browser, without the page."""

import csv
import random
from io import StringIO

from softmaxd.tables.rows import MISSING
from tests.support.playground import Visit

READ_ALL = """async text => {
    const { Records } = await import("./playground/js/views/try/csv.js");
    const records = new Records(text), found = [];
    for (let next = records.next(); next; next = records.next()) {
        found.push(next);
    }
    return found;
}"""
AS_JSON = """async ([text, column]) => {
    const { asJson } = await import("./playground/js/cells.js");
    try { return asJson(text, { ...column, missing: new Set(column.missing) }) } catch (error) { return error.message }
}"""

ROW = """async ([text, model]) => {
    const { asJson, columnsOf } = await import("./playground/js/cells.js");
    return columnsOf(model).map(column => asJson(text, column));
}"""
WORDS = 'import("./playground/js/cells.js").then(({ MISSING }) => MISSING)'


def test_records_are_those_of_the_csv_module(visit: Visit) -> None:
    draw = random.Random(3)  # noqa: S311 - texts of a test
    page = visit.open("try")
    for mark in (",", ";", "\t"):
        rows = [["".join(draw.choices('ab ",;\t\n1.', k=draw.randrange(4))) for _ in range(3)] for _ in range(300)]
        file = StringIO(newline="")
        csv.writer(file, delimiter=mark, lineterminator="\r\n").writerows([["x"] * 3, *rows])
        text = file.getvalue()

        found = page.evaluate(READ_ALL, text)

        assert [each["cells"] for each in found[1:]] == rows
        assert [each["problem"] for each in found] == [""] * len(found)
        assert "\r\n".join(each["text"] for each in found) + "\r\n" == text
        assert found[-1]["line"] == text[: text.rindex(found[-1]["text"])].count("\n") + 1
    problem = "a quote is not closed, or text follows it"
    found = page.evaluate(READ_ALL, 'a,b\n"1,2\n3,"4"x,5\n6,5" nail\n\r\n"8"\r')
    lines = {1: "", 2: problem, 3: problem, 4: "", 6: ""}
    assert {each["line"]: each["problem"] for each in found} == lines
    assert [each["cells"] for each in found[3:]] == [["6", '5" nail'], ["8"]]


def test_numbers_keep_all_their_digits(visit: Visit) -> None:
    page = visit.open("try")
    column = {"name": "x", "type": "FP32", "nullable": False, "missing": ["NA"]}
    for text, expected in {
        "1.50": "1.50",
        " 12345678901234567890.123 ": "12345678901234567890.123",
        "+1": "1",
        "-.5e3": "-0.5e3",
        "1.": "1",
        "007": "7",
        "-00": "-0",
        "−2": "-2",
        "0x10": "“0x10” is no number",
        "1e": "“1e” is no number",
        ".": "“.” is no number",
        "Infinity": "“Infinity” is no number",
        "1.234,5": "“1.234,5” has a comma: write a decimal point, and no mark for thousands",
    }.items():
        assert page.evaluate(AS_JSON, [text, column]) == expected
    assert page.evaluate(AS_JSON, ["NA", column]) == "“NA” is no number"
    missing = page.evaluate(AS_JSON, ["gone", column | {"nullable": True}])
    assert missing == "“gone” is no number; leave it empty if it is missing"
    assert page.evaluate(AS_JSON, ["", column | {"type": "BYTES"}]) == '""'
    assert page.evaluate(AS_JSON, ["", column | {"type": "BYTES", "nullable": True}]) == "null"


def test_words_for_a_missing_value_are_those_of_the_command_and_of_the_model(visit: Visit) -> None:
    page = visit.open("try")
    feature = {"nullable": True, "shape": [], "categories": []}
    model = {
        "datatype": "FP32",
        "missing_words": ["unknown", "none", "-999"],
        "features": [
            feature | {"name": "age"},
            feature | {"name": "member", "datatype": "BOOL"},
            feature | {"name": "gap", "datatype": "BYTES", "categories": ["none", "clerk"]},
            feature | {"name": "free", "datatype": "BYTES"},
            feature | {"name": "full", "datatype": "BYTES", "nullable": False},
        ],
    }

    rows = {text: page.evaluate(ROW, [text, model]) for text in (" unknown ", "-999", "none", "NA", "")}

    assert set(page.evaluate(WORDS)) == MISSING
    assert rows == {
        " unknown ": ["null", "null", "null", "null", '" unknown "'],
        "-999": ["null", "null", "null", "null", '"-999"'],
        "none": ["null", "null", '"none"', "null", '"none"'],
        "NA": ["null", "null", "null", '"NA"', '"NA"'],
        "": ["null", "null", "null", "null", '""'],
    }
