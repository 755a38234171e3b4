"""The parts of a table: by the seed alone, each row once."""

from collections import Counter
from pathlib import Path

import numpy as np

from softmaxd_training.rows import Parts
from softmaxd_training.splitting import split
from softmaxd_training.tablefile import read_table

ROWS = [(number / 7, number % 13, "aaab"[number % 4]) for number in range(100)]


def parts_of(folder: Path, *, seed: int) -> Parts:
    lines = [f"{x:.3f},{y},{label}\n" for x, y, label in ROWS]
    (folder / "plants.csv").write_text("x,y,label\n" + "".join(lines))
    return split(read_table(folder / "plants.csv", "label"), seed)


def test_the_parts_are_all_rows_once_with_the_labels_in_proportion(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, seed=3)

    assert parts.counts() == {"train": 50, "validation": 10, "calibration": 20, "test": 20}
    xs = [x for part in (parts.train, parts.validation, parts.calibration, parts.test) for x in part.features[:, 0]]
    assert sorted(xs) == sorted(np.float32(f"{x:.3f}") for x, _, _ in ROWS)
    counts = [Counter(part.classes.tolist()) for part in (parts.train, parts.calibration, parts.test)]
    assert [count[1] for count in counts] == [13, 5, 5]


def test_the_seed_and_nothing_else_makes_the_parts(tmp_path: Path) -> None:
    first, again, other = (parts_of(tmp_path, seed=seed).test.features.tolist() for seed in (0, 0, 1))

    assert first == again
    assert first != other
