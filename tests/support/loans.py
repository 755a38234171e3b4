"""A made table with numbers, texts and gaps, whose labels depend on all of them."""

from pathlib import Path

import numpy as np

from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.frame import Frame
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read

JOBS = ("clerk", "cook", "driver", "nurse", "pilot")
PURPOSES = ("boat", "car", "house")


def loans_csv(rows: int, *, seed: int, gap: str = "") -> str:
    """Return such a table of loans as a CSV, with the labels `paid`, `late` and `lost` in its column `end`.

    One in ten incomes and jobs is missing: `gap` stands for it.
    """
    chance = np.random.default_rng(seed)
    income, age = chance.lognormal(8, 0.5, rows), chance.integers(18, 80, rows)
    job, purpose = chance.choice(JOBS, rows), chance.choice(PURPOSES, rows)
    no_income, no_job = chance.random(rows) < 0.1, chance.random(rows) < 0.1
    score = 2 * (np.log(income) - 8) + (job == "pilot") - (purpose == "boat") - no_income + chance.normal(size=rows)
    end = np.array(["lost", "late", "paid"])[np.searchsorted([-1.5, 0.0], score)]
    lines = [
        f"{gap if no_income[row] else f'{income[row]:.2f}'},{age[row]},{gap if no_job[row] else job[row]},"
        f"{purpose[row]},{end[row]}"
        for row in range(rows)
    ]
    return "\n".join(["income,age,job,purpose,end", *lines]) + "\n"


def loans(folder: Path, rows: int, *, seed: int) -> Frame:
    """Return such a table, read from a file in this folder."""
    path = folder / "loans.csv"
    path.write_text(loans_csv(rows, seed=seed), encoding="utf-8")
    return frame_of(read(path, ReadOptions()), ColumnOptions("end"))
