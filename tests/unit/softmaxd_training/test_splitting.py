"""The parts of a table: by the seed alone, each row once."""

from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd_training.rows import Classes
from softmaxd_training.splitting import MOST, SMALL, Split, grouped, split
from tests.support.loans import loans


def classes_of(*counts: int) -> Classes:
    return np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))


def by_label(classes: Classes, split: Split) -> dict[str, list[int]]:
    parts = {"train": split.train, "calibration": split.calibration, "test": split.test}
    return {name: np.bincount(classes[part]).tolist() for name, part in parts.items() if part is not None}


def test_a_small_table_has_a_fifth_of_each_label_for_testing_and_none_for_calibration() -> None:
    classes = classes_of(100, 40, 13)

    parts = split(classes, 3)

    assert by_label(classes, parts) == {"train": [80, 32, 10], "test": [20, 8, 3]}
    assert sorted([*parts.train, *parts.test]) == list(range(153))
    assert parts.counts() == {"train": 122, "test": 31}


def test_a_larger_table_has_a_fifth_for_calibration_besides() -> None:
    classes = classes_of(1500, 501)

    parts = split(classes, 0)

    assert parts.calibration is not None
    assert by_label(classes, parts)["train"] == [900, 301]
    assert parts.counts() == {"train": 1201, "calibration": 400, "test": 400}
    assert sorted([*parts.train, *parts.calibration, *parts.test]) == list(range(2001))


@pytest.mark.parametrize(("rows", "others"), [(SMALL, SMALL // 5), (10 * MOST, 2 * MOST)])
def test_so_many_rows_are_not_for_training(rows: int, others: int) -> None:
    parts = split(np.arange(rows) % 2, 0)

    assert rows - len(parts.train) == others


def test_a_label_keeps_two_rows_for_training_and_may_have_none_for_testing() -> None:
    classes = classes_of(40, 40, 2, 3)

    assert by_label(classes, split(classes, 0)) == {"train": [32, 32, 2, 2], "test": [8, 8, 0, 1]}


def test_the_seed_and_nothing_else_makes_the_parts() -> None:
    first, again, other = (split(classes_of(60, 60), seed).test.tolist() for seed in (0, 0, 1))

    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("counts", "held"), [((11, 10), 4), ((2,) * 12, 0), ((2,) * 11 + (3,), 1)], ids=["train", "test", "one"]
)
def test_too_few_rows_are_refused(counts: tuple[int, ...], held: int) -> None:
    words = rf"^{sum(counts)} rows are too few: {held} of them would be for testing, and of the others 19 are needed"

    with pytest.raises(Refused, match=words):
        split(classes_of(*counts), 0)


@pytest.mark.parametrize("rows", [200, SMALL + 100])
def test_grouped_rows_are_the_same_in_each_part_and_beside_each_other(rows: int, tmp_path: Path) -> None:
    frame, found = loans(tmp_path, rows, seed=0), loans(tmp_path, rows, seed=0)
    numbers = found.numbers
    before = split(frame.classes, 0)

    after = grouped(found, before)

    assert found.numbers is numbers, "a copy would take as much memory again"

    assert (after.counts(), len(found)) == (before.counts(), rows)
    places = [part for part in (after.train, after.calibration, after.test) if part is not None]
    assert np.concatenate(places).tolist() == list(range(rows))
    for name in before.counts():
        old, new = getattr(before, name), getattr(after, name)
        np.testing.assert_array_equal(found.numbers[new], frame.numbers[old])
        assert found.texts[new].tolist() == frame.texts[old].tolist()
        assert found.classes[new].tolist() == frame.classes[old].tolist()
