"""Labels of every type, in order, and the ones that cannot be used."""

from collections.abc import Sequence

import pyarrow as pa
import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.labels import labels_of
from softmaxd_training.frames.missing import Cells
from tests.support.frames import csv_cells, typed_cells

OPTIONS = ColumnOptions("x")


def ten_each(*labels: str) -> Cells:
    return csv_cells(*[label for label in labels for _ in range(10)])


def refusal(cells: Cells, options: ColumnOptions = OPTIONS) -> str:
    with pytest.raises(Refused) as refused:
        labels_of(cells, options)
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("b", "a"), ("a", "b")),
        (("10", "9", "-1.5"), ("-1.5", "9", "10")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("inf", "2"), ("2", "inf")),
        (("1_0", "2"), ("1_0", "2")),
        (("True", "False"), ("False", "True")),
    ],
)
def test_labels_are_in_the_order_of_their_values_if_all_are_numbers(
    given: Sequence[str], expected: tuple[str, ...]
) -> None:
    found = labels_of(ten_each(*given), OPTIONS)

    assert found.labels == expected
    assert [found.labels[place] for place in found.classes[::10]] == list(given)


@pytest.mark.parametrize(
    ("labels", "end"),
    [
        (("YES", "no", "yes"), "; 'YES' and 'yes' differ only in capitals"),
        (("Straße", "straße"), "; 'Straße' and 'straße' differ only in capitals"),
        (("a", "b"), "'b' (10)"),
    ],
)
def test_labels_that_differ_only_in_capitals_are_told(labels: Sequence[str], end: str) -> None:
    assert labels_of(ten_each(*labels), OPTIONS).column.line.endswith(end)


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pa.array([True, False] * 10), ("false", "true")),
        (pa.array([10, 9] * 10), ("9", "10")),
        (pa.array([1.0, 0.5] * 10), ("0.5", "1")),
        (pa.array(["b", "a"] * 10, pa.large_string()), ("a", "b")),
    ],
)
def test_labels_of_every_type_are_texts(column: pa.Array, labels: tuple[str, ...]) -> None:
    found = labels_of(typed_cells(column), OPTIONS)

    assert found.labels == labels
    assert found.classes.tolist() == [1, 0] * 10


def test_a_label_in_two_hundred_is_learnt() -> None:
    found = labels_of(csv_cells(*["honest"] * 1990, *["fraud"] * 10), OPTIONS)

    assert found.column.line == "2 labels: 'fraud' (10), 'honest' (1,990)"


def test_a_thousand_labels_are_allowed() -> None:
    found = labels_of(ten_each(*map(str, range(1000))), OPTIONS)

    assert len(found.labels) == 1000
    assert found.column.line.startswith("1,000 labels: '0' (10), '1' (10), '2' (10)")
    assert found.column.line.endswith("'9' (10) and 990 more")


def test_rare_labels_are_merged_if_the_user_wants_it() -> None:
    cells = csv_cells(*["a"] * 10, *["b"] * 6, *["c"] * 4, *["d"] * 10)

    found = labels_of(cells, ColumnOptions("x", merge_rare="other"))

    assert found.labels == ("a", "d", "other")
    assert found.classes.tolist() == [0] * 10 + [2] * 10 + [1] * 10
    assert found.column.line == "3 labels: 'a' (10), 'd' (10), 'other' (10); 2 rare labels became 'other'"


def test_rare_labels_join_a_label_of_that_name() -> None:
    found = labels_of(csv_cells(*["a"] * 10, "b", *["c"] * 10), ColumnOptions("x", merge_rare="a"))

    assert (found.labels, found.classes.tolist()) == (("a", "c"), [0] * 11 + [1] * 10)


def test_nothing_is_merged_if_no_label_is_rare() -> None:
    assert labels_of(ten_each("a", "b"), ColumnOptions("x", merge_rare="other")).labels == ("a", "b")


def test_fewer_rows_are_enough_if_the_user_says_so() -> None:
    assert labels_of(csv_cells("a", "a", "b", "b"), ColumnOptions("x", min_rows=2)).labels == ("a", "b")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            csv_cells("a", "", "None", "None"),
            "column 'x', line 3: the label is missing, as in 3 rows (empty, 'None'): remove these rows, or write"
            " another word if it is a label",
        ),
        (
            csv_cells("", ""),
            "column 'x', line 2: the label is missing, as in 2 rows (empty): remove these rows, or write another word"
            " if it is a label",
        ),
        (ten_each("a"), "column 'x' has only the label 'a': two or more are needed"),
        (
            csv_cells(*["a"] * 10, "b", "b", "c", *["d"] * 10),
            "column 'x' has labels with fewer than 10 rows, 'b' (2), 'c' (1): add rows, `--merge-rare OTHER` makes one"
            " label of them",
        ),
        (
            csv_cells(*["a"] * 10, *["b"] * 9),
            "column 'x' has labels with fewer than 10 rows, 'b' (9): add rows, `--merge-rare OTHER` makes one label of"
            " them, or `--min-rows 9` accepts so few",
        ),
        (
            ten_each("a:b", "t" * 201, "c", "d\te"),
            "column 'x', line 2: 'a:b' cannot be a label: a label has 1 to 200 characters, without colons and control"
            " characters\n"
            "column 'x', line 32: 'd\\te' cannot be a label: a label has 1 to 200 characters, without colons and"
            " control characters\n"
            f"column 'x', line 12: '{'t' * 39}…' cannot be a label: a label has 1 to 200 characters, without colons and"
            " control characters",
        ),
        (ten_each("1", "1.0"), "column 'x' has the labels '1' and '1.0', which are the same number"),
        (
            csv_cells(*map(str, range(1001))),
            "column 'x' has 1,001 labels; 1,000 are allowed: make classes of it if it is a quantity, or"
            " `--merge-rare OTHER` makes one label of the rare ones",
        ),
    ],
)
def test_labels_that_cannot_be_used_are_told(cells: Cells, message: str) -> None:
    assert refusal(cells) == message


def test_a_merged_label_may_be_rare_too() -> None:
    cells = csv_cells(*["a"] * 10, *["b"] * 10, "c")

    assert refusal(cells, ColumnOptions("x", merge_rare="other")) == (
        "column 'x' has labels with fewer than 10 rows, 'other' (1): add rows"
    )
