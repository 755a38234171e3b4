"""Values, names and counts in messages."""

import pytest

from softmaxd_training.frames.wording import listed, many, option, quoted, sentence, shown


def test_a_long_value_is_cut() -> None:
    assert quoted("t" * 40) == f"'{'t' * 40}'"
    assert quoted("t" * 41) == f"'{'t' * 39}…'"


def test_one_is_not_several() -> None:
    assert (many(1, "row"), many(0, "row"), many(12345, "row")) == ("1 row", "0 rows", "12,345 rows")


def test_five_values_are_listed() -> None:
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"


def test_an_option_can_be_pasted_into_a_shell() -> None:
    assert option("date", "seen") == "`--date seen`"
    assert option("date", "first seen") == "`--date 'first seen'`"


def test_empty_parts_are_left_out_of_a_sentence() -> None:
    assert sentence(["1 to 2", "", "3 missing"]) == "1 to 2; 3 missing"


@pytest.mark.parametrize(
    ("number", "text"),
    [(3.0, "3"), (1700000000.0, "1700000000"), (0.1234567, "0.123457"), (1e300, "1e+300"), (-2.5, "-2.5")],
)
def test_a_whole_number_has_all_its_digits(number: float, text: str) -> None:
    assert shown(number) == text
