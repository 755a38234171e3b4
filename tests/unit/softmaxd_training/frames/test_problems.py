from pathlib import Path

import pytest

from softmaxd.errors import Refused
from softmaxd_training.frames.problems import Problems, naming


def test_all_problems_are_told_at_once() -> None:
    problems = Problems()
    problems.add("line 2: too short")
    problems.add("line 9: too long")

    with pytest.raises(Refused) as refused:
        problems.refuse()

    assert str(refused.value) == "line 2: too short\nline 9: too long"


def test_of_many_problems_the_first_are_told() -> None:
    problems = Problems()
    for line in range(25):
        problems.add(f"line {line}")

    with pytest.raises(Refused) as refused:
        problems.refuse()

    assert len(problems) == 25
    assert str(refused.value).splitlines()[-2:] == ["line 19", "and 5 more"]


def test_without_problems_nothing_is_refused() -> None:
    Problems().refuse()


def test_each_problem_begins_with_the_name_of_the_file() -> None:
    with pytest.raises(Refused) as refused, naming(Path("folder/rows.csv")):
        raise Refused("line 2: too short\nline 9: too long")

    assert str(refused.value) == "rows.csv: line 2: too short\nrows.csv: line 9: too long"
