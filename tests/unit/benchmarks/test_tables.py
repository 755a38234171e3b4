"""The comparison of tables' classifiers ranks losses, and tells chance from a worse model."""

from collections.abc import Mapping

import numpy as np
import pytest
from benchmarks.tabledata import TABLES
from benchmarks.tables import CONTENDERS, OURS, _is_worse, _ranks

from softmaxd.numerics.softmax import Floats


def runs_of(ours: float, rows: int = 400) -> tuple[list[Mapping[str, Floats]], dict[str, list[float]]]:
    """Return two splits in which the best other has exponential losses of the mean 1, and ours `ours` times such."""
    chance = np.random.default_rng(0)
    runs: list[Mapping[str, Floats]] = []
    for _ in range(2):
        losses = chance.exponential(size=rows)
        others = {f"loss {each}": 2 * losses for each in CONTENDERS}
        runs.append(
            {
                **others,
                "loss RandomForest": losses,
                f"loss {OURS}": ours * losses[::-1],
                "test": np.arange(rows, dtype=np.float64),
            }
        )
    return runs, {each: [float(run[f"loss {each}"].mean()) for run in runs] for each in CONTENDERS}


@pytest.mark.parametrize(("ours", "is_worse"), [(0.9, False), (1.05, False), (1.5, True)])
def test_only_a_loss_beyond_chance_is_worse_than_the_best_other(ours: float, is_worse: bool) -> None:
    assert _is_worse(*runs_of(ours)) is is_worse


def test_the_mean_rank_is_over_tables() -> None:
    assert _ranks([[0.1, 0.3, 0.2], [0.5, 0.4, 0.6]]) == [1.5, 2.0, 2.5]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_the_same_each_time_and_can_be_split(name: str) -> None:
    first, again = TABLES[name](), TABLES[name]()

    assert np.array_equal(first.numbers, again.numbers, equal_nan=True)
    assert np.array_equal(first.texts, again.texts)
    assert np.bincount(first.classes).min() >= 5
    assert len(first.numbers) == len(first.texts) == len(first.classes)
