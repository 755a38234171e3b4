import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.names import check_header, check_names, looks_like_values, numbered
from softmaxd_training.frames.problems import Problems


@pytest.mark.parametrize(
    ("first", "rows", "expected"),
    [
        (["5.1", "3.5", "setosa"], [["4.9", "3.0", "setosa"], ["6", "3", "virginica"]], True),
        (["length", "width", "species"], [["4.9", "3.0", "setosa"]], False),
        (["5,1", "a"], [["4,9", "b"]], True),
        (["red", "small"], [["blue", "large"], ["red", "small"]], True),
        (["colour", "size"], [["blue", "large"], ["red", "small"]], False),
        (["2019", "2020", "place"], [["1", "2", "Rome"]], True),
        (["0", "1", "2", "label"], [["0.5", "1", "2", "a"]], False),
        (["NaN", "x"], [["1", "2"]], False),
        (["1", "?"], [["1", "2"], ["NaN", ""]], True),
        (["a", "b"], [["", "NA"]], False),
        (["a", "b"], [], False),
    ],
)
def test_a_row_of_values_is_told_from_names(first: list[str], rows: list[list[str]], expected: bool) -> None:
    assert looks_like_values(first, rows) is expected


def test_a_header_that_looks_like_values_is_refused_with_both_cures() -> None:
    with pytest.raises(Refused) as refused:
        check_header(["1", "2", "3", "a"], [["4", "5", "6", "b"]], "line 1")

    assert str(refused.value) == (
        "line 1 looks like values, not like names ('1', '2', '3', …): add --no-header if the file has no names,"
        " or --header if these are the names"
    )


def test_columns_without_names_are_numbered() -> None:
    assert numbered(3) == ("column1", "column2", "column3")


def test_all_names_that_cannot_be_used_are_told() -> None:
    problems = Problems()

    check_names(["", "a", "", "a", "b" * 201, "c\nd"], problems)

    with pytest.raises(Refused) as refused:
        problems.refuse()
    assert str(refused.value).splitlines() == [
        "column 1 has no name: it looks like the index that pandas writes; leave it out",
        "column 3 has no name: write one into the first row",
        "columns 2 and 4 are both called 'a': rename one",
        "the name of column 5 has 201 characters: 200 are allowed",
        r"the name of column 6, 'c\nd', has characters that cannot be printed: leave them out",
    ]
