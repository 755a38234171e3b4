import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.separators import decimal_of, shown, split


@pytest.mark.parametrize(
    ("text", "separator", "width"),
    [
        ("a,b\n1,2\n", ",", 2),
        ("a;b\n1,5;2,5\n", ";", 2),
        ("1,5;2,5\n3,5;4,5\n", ";", 2),
        ("a\tb\n1, 2\t3\n", "\t", 2),
        ("a|b|c\n1|2|3\n", "|", 3),
        ('name;comment\nA;"hello, world"\nB;"one, two"\n', ";", 2),
        ("name\tcomment\nA\thello, world\n", "\t", 2),
        ("\n,,\na,b,c\n1,2,3\n", ",", 3),
        ("a b\n1 2\n", ",", 1),
        ("", ",", 0),
    ],
)
def test_the_separator_is_the_one_that_fits(text: str, separator: str, width: int) -> None:
    trial = split(text.encode(), None)

    assert (trial.separator, trial.width) == (separator, width)


def test_the_first_rows_are_split_without_blanks_around_the_cells() -> None:
    trial = split(b'x , "y\nz"\n 1,2\n3\n,\n', ",")

    assert list(trial.rows) == [("x", '"y'), ("1", "2")]
    assert trial.ragged == 2


@pytest.mark.parametrize(("written", "separator"), [("tab", "\t"), ("\\t", "\t"), ("Semicolon", ";"), (":", ":")])
def test_a_separator_may_be_named(written: str, separator: str) -> None:
    assert split(b"a:b;c\td\n", written).separator == separator


@pytest.mark.parametrize("written", ["", ",,", "x", "1", ".", '"', "\n", "é"])
def test_other_characters_are_no_separators(written: str) -> None:
    with pytest.raises(Refused) as refused:
        split(b"a,b\n", written)

    assert str(refused.value) == f"{written!r} cannot be a separator: use one of , ; | or tab"


@pytest.mark.parametrize(
    ("cells", "separator", "decimal"),
    [
        (["1,5", "2,5", "1.5"], ";", ","),
        (["1,5", "-2.5e3"], ";", "."),
        (["1,5"], ",", "."),
        (["one, two", "3"], ";", "."),
        (["-,5E-3"], "\t", ","),
    ],
)
def test_decimal_commas_are_seen_where_commas_do_not_separate(cells: list[str], separator: str, decimal: str) -> None:
    assert decimal_of(cells, separator) == decimal


def test_separators_are_shown_in_words() -> None:
    assert [shown(separator) for separator in ",;\t|:"] == ["comma", "semicolon", "tab", "vertical bar", "':'"]
