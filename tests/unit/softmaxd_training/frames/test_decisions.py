"""The decisions of the user, checked against the columns of the file."""

import pytest

from softmaxd_training.frames.decisions import ColumnOptions

NAMES = ("age", "job", "seen", "plan")


@pytest.mark.parametrize(
    ("options", "problems"),
    [
        (ColumnOptions("plan", category=("age",), number=("job",), date=("seen",)), []),
        (ColumnOptions("plan", min_rows=1), ["--min-rows 1 is too few: a label needs 2 rows or more"]),
        (ColumnOptions("plans"), ["it has no column 'plans' for --target; did you mean 'plan'?"]),
        (
            ColumnOptions("plan", date=("born", "seem")),
            [
                "it has no column 'born' for --date; its columns are 'age', 'job', 'seen', 'plan'",
                "it has no column 'seem' for --date; did you mean 'seen'?",
            ],
        ),
        (ColumnOptions("plan", number=("plan",)), ["column 'plan' is the target, so it cannot be a number as well"]),
        (
            ColumnOptions("plan", number=("age", "age"), category=("age",)),
            ["column 'age' cannot be of two kinds: choose one of --category, --number and --date"],
        ),
    ],
)
def test_all_mistakes_of_the_options_are_told(options: ColumnOptions, problems: list[str]) -> None:
    assert list(options.problems(NAMES)) == problems


def test_a_decision_is_that_of_its_column_only() -> None:
    options = ColumnOptions("plan", category=("age",), date=("seen",))

    assert [options.decision(name) for name in NAMES] == ["category", None, "date", None]
