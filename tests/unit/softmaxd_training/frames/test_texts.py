"""Texts are categories unless they name their rows."""

import pyarrow as pa
import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.texts import check_no_marked, check_no_numbers, coded, judge_texts
from softmaxd_training.frames.wording import quoted
from tests.support.frames import csv_cells, typed_cells


def test_different_texts_are_coded_in_order() -> None:
    found = coded(pa.chunked_array([["b", None], ["a", "b"]]))

    assert found.different == ("a", "b")
    assert found.codes.tolist() == [1, 2, 0, 1]
    assert found.codes.itemsize == 1


@pytest.mark.parametrize(
    ("texts", "kind", "line"),
    [
        (["b", "a", "b", "NA"], "category", "2 texts: 'a', 'b'; 1 missing ('NA')"),
        (["a", "", ""], "category", "1 text: 'a'; 2 missing"),
        (["a", "a"], "dropped", "has the same value in every row: 'a'"),
        (
            [f"mail{row}@here" for row in range(20)],
            "dropped",
            "looks like an identifier: all 20 values are different; `--category x` keeps it",
        ),
        (
            ["twice", *(f"so {row}" for row in range(30)), "twice"],
            "dropped",
            "looks like free text: 31 of 32 texts are different; `--category x` keeps it as a category",
        ),
    ],
)
def test_the_line_tells_the_use_of_texts(texts: list[str], kind: str, line: str) -> None:
    found = judge_texts(csv_cells(*texts), is_decided=False)

    assert (found.column.kind, found.column.line) == (kind, line)


def test_the_user_decides_that_identifiers_are_categories() -> None:
    found = judge_texts(csv_cells(*map(str, range(30))), is_decided=True)

    assert found.column.line == "30 texts: '0', '1', '10', '11', '12' and 25 more"
    assert len(found.column.categories) == 30
    assert found.texts is not None
    assert found.texts.texts().tolist() == [*map(str, range(30))]


def test_a_few_mistakes_among_numbers_are_told() -> None:
    cells = csv_cells(*["1.5", "2"] * 10, "two", "")

    with pytest.raises(Refused) as refused:
        check_no_numbers(cells, ".", is_decided=False)

    assert str(refused.value) == (
        "column 'x': 1 of 21 values are not numbers, such as 'two' (line 22): correct them; or `--missing two` takes"
        " this text as missing; or `--category x` takes all as texts"
    )


def test_a_point_is_a_mistake_where_commas_are_decimal_marks() -> None:
    cells = csv_cells(*["1,5", "2"] * 10, "1.234,5")

    with pytest.raises(Refused, match=r"1 of 21 values are not numbers, such as '1\.234,5' \(line 22\)"):
        check_no_numbers(cells, ",", is_decided=False)


def test_some_numbers_among_texts_are_texts() -> None:
    check_no_numbers(csv_cells(*["1"] * 8, "A1", "B2"), ".", is_decided=False)


def test_every_text_is_a_mistake_where_the_user_wants_numbers() -> None:
    with pytest.raises(Refused, match=r"^column 'x': 2 of 3 values are not numbers, such as 'A1' \(row 1\)"):
        check_no_numbers(typed_cells(pa.array(["A1", "B1", "2"])), ".", is_decided=True)


@pytest.mark.parametrize("signed", ["1,234.50", "-1.234.567,8", "12.5%", "7 %", "1'000"])
def test_numbers_with_marks_of_thousands_or_percent_signs_are_refused(signed: str) -> None:
    with pytest.raises(Refused) as refused:
        check_no_marked(typed_cells(pa.array([None, signed, *["2%"] * 8, "none"])))

    assert str(refused.value) == (
        f"column 'x' has numbers such as {signed!r} (row 2): write them without marks of thousands and percent signs;"
        " or `--category x` takes the texts"
    ).replace(repr(signed), quoted(signed))


@pytest.mark.parametrize("text", ["100% wool", "1,2", "12,34,567", "A1", "10-20%"])
def test_other_texts_with_such_signs_are_texts(text: str) -> None:
    check_no_marked(typed_cells(pa.array([text] * 10)))
