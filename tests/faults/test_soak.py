"""Mixed requests for minutes, while models change: no answer is wrong, and nothing is left over."""

import os

import pytest

from tests.support.soaking.clients import BEHAVIOURS
from tests.support.soaking.soak import soaking

SECONDS = float(os.environ.get("SOAK_SECONDS", "60" if "CI" in os.environ else "20"))  # of both soaks together
CONTROL_SECONDS = 8
LEAKS = ("memory", "descriptor", "thread", "task", "answer")


@pytest.mark.parametrize("workers", [1, 2])
def test_no_answer_is_wrong_and_nothing_is_left_over(workers: int) -> None:
    with soaking(workers=workers) as soak:
        report = soak.run(SECONDS / 2)

    print(report)  # noqa: T201 - pytest -s shows the figures
    assert report.problems == []
    assert {"right", "versions", *(behaviour.__name__ for behaviour in BEHAVIOURS)} <= set(+report.counts)


def test_a_server_that_leaks_and_answers_wrongly_is_caught() -> None:
    with soaking(workers=1, leaks=",".join(LEAKS)) as soak:
        report = soak.run(CONTROL_SECONDS)

    found = {problem.partition(":")[0] for problem in report.problems}
    assert found == {"resident memory", "descriptors", "threads", "tasks", "wrong answer"}
