"""Features are found by name; other columns are left out or passed through."""

import pytest

from softmaxd.errors import Refused
from softmaxd.scoring.columns import columns_of, quoted
from softmaxd.scoring.table import Rows


def test_features_stand_in_any_order_between_other_columns() -> None:
    rows = Rows([2, 3], [b"7,2,1", b"8,4,3"])
    dropped = columns_of(["id", "x2", "x1"], ["x1", "x2"], keep=False)
    kept = columns_of(["id", "x2", "x1"], ["x1", "x2"], keep=True)

    assert dropped.choose(rows) == (Rows([2, 3], [[b"1", b"2"], [b"3", b"4"]]), None)
    assert kept.choose(rows) == (Rows([2, 3], [[b"1", b"2"], [b"3", b"4"]]), [b"7", b"8"])
    assert (dropped.kept_names, kept.kept_names) == ([], ["id"])


def test_lines_of_features_in_order_stay_as_they_are() -> None:
    rows = Rows([2], [b"1,2"])

    assert columns_of(["x1", "x2"], ["x1", "x2"], keep=True).choose(rows) == (rows, None)


def test_a_row_of_another_length_is_refused_with_its_line() -> None:
    columns = columns_of(["x2", "x1"], ["x1", "x2"], keep=False)

    with pytest.raises(Refused, match=r"^line 3 has 1 values, but the header names 2$"):
        columns.choose(Rows([2, 3], [b"1,2", b"3"]))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["x1", "id"], "it has no column x2; its columns are x1, id"),
        (["x1", "X2"], "it has no column x2; did you mean X2?"),
        (["x1", "x2", "x1"], "the header names x1 twice"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(names: list[str], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        columns_of(names, ["x1", "x2"], keep=False)

    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("cell", "expected"), [(b"a b", b"a b"), (b"a,b", b'"a,b"'), (b'a"', b'"a"""'), (b"a\n", b'"a\n"')]
)
def test_a_cell_has_quotes_if_it_needs_them(cell: bytes, expected: bytes) -> None:
    assert quoted(cell) == expected
