import pytest

from softmaxd.errors import AnswerTooLarge
from softmaxd.models.answers import PIECE, AnswerLimits, pieces

LIMITS = AnswerLimits(numbers=100, size=1000)


def test_an_answer_within_both_limits_passes() -> None:
    LIMITS.check(10, numbers=10, size=100)


@pytest.mark.parametrize(
    ("rows", "numbers", "size", "message"),
    [
        (11, 10, 0, "110 numbers, more than the 100 of the setting max_answer_numbers; .* fit: 10$"),
        (1, 101, 0, "The answer to 1 row would have up to 101 numbers, .* fit: 0$"),
        (
            3,
            1,
            400,
            "1200 bytes of labels and binary outputs, .* the 1000 of the setting max_answer_bytes; .* 2$",
        ),
    ],
)
def test_a_larger_answer_is_refused_with_the_setting_and_the_rows_that_fit(
    rows: int, numbers: int, size: int, message: str
) -> None:
    with pytest.raises(AnswerTooLarge, match=message):
        LIMITS.check(rows, numbers=numbers, size=size)


def test_the_smaller_limit_bounds_answers_that_need_no_count() -> None:
    assert LIMITS.least == 100


@pytest.mark.parametrize(("rows", "classes", "step"), [(1, 1, PIECE), (5, 2 * PIECE, 1), (100_000, 7, PIECE // 7)])
def test_pieces_have_all_rows_in_order(rows: int, classes: int, step: int) -> None:
    found = [list(range(rows))[piece] for piece in pieces(rows, classes)]

    assert [row for piece in found for row in piece] == list(range(rows))
    assert max(map(len, found)) == min(step, rows)
