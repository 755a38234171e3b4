"""Values become numbers and labels, or are refused with their column and their row."""

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd_training.columns import Column, labels, numbers, quoted, varied


def column(*cells: str) -> Column:
    return [(f"line {number}", cell) for number, cell in enumerate(cells, start=2)]


def ten_each(*cells: str) -> Column:
    return column(*[cell for cell in cells for _ in range(10)])


def test_numbers_are_float32() -> None:
    found = numbers("x", column("-1.5e2", "7", "0.1", str(2**70)))

    assert found.dtype == np.float32
    assert found.tolist() == [-150, 7, np.float32(0.1), np.float32(2**70)]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "the value is missing"),
        ("tall", "'tall' is not a number"),
        ("1_000", "'1_000' is not a number"),
        ("nan", "'nan' is not finite as float32"),
        ("inf", "'inf' is not finite as float32"),
        ("3.5e38", "'3.5e38' is not finite as float32"),
        ("1" + 400 * "0", f"'{'1' + 38 * '0'}…' is not finite as float32"),
    ],
)
def test_a_value_that_is_no_finite_number_is_refused(cell: str, message: str) -> None:
    with pytest.raises(Refused) as refused:
        numbers("x", column("1", cell))

    assert str(refused.value) == f"column 'x', line 3: {message}"


def test_a_column_with_one_value_only_is_refused() -> None:
    with pytest.raises(Refused, match=r"^column 'x' has the same value in every row"):
        varied("x", numbers("x", column("1.5", "1.50")))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("b", "a"), ("a", "b")),
        (("10", "9", "-1.5"), ("-1.5", "9", "10")),
        (("10", "9", "x"), ("10", "9", "x")),
        (("nan", "2"), ("2", "nan")),
    ],
)
def test_labels_are_sorted_by_value_if_all_are_numbers(given: tuple[str, ...], expected: tuple[str, ...]) -> None:
    found, classes = labels("y", ten_each(*given))

    assert found == expected
    assert [found[index] for index in classes[::10]] == [str(label) for label in given]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (column(""), "column 'y', line 2: the label is missing"),
        (column("a:b"), "column 'y', line 2: 'a:b' cannot be a label: "),
        (ten_each("a"), "column 'y' has only the label 'a': two or more are needed"),
        (ten_each("a", "b")[:-1], "label 'b' of column 'y' has only 9 rows: every label needs 10 or more"),
        (ten_each("1", "1.0"), "labels '1' and '1.0' of column 'y' are the same number"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(cells: Column, message: str) -> None:
    with pytest.raises(Refused) as refused:
        labels("y", cells)

    assert str(refused.value).startswith(message)


def test_a_long_value_is_cut_in_a_message() -> None:
    assert quoted("t" * 40) == f"'{'t' * 40}'"
    assert quoted("t" * 41) == f"'{'t' * 39}…'"
