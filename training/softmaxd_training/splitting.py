"""Splits the rows of a table into parts by their use; each has about the same share of every label."""

from dataclasses import dataclass

import numpy as np

from softmaxd.errors import Refused
from softmaxd_training.frames.frame import Frame
from softmaxd_training.rows import LEAST_CALIBRATION_ROWS, Classes
from softmaxd_training.tables.folds import LEAST_ROWS

SMALL = 2_000  # rows, up to which the training rows calibrate, too
SHARE = 0.2  # of the rows, for calibration and for testing each
MOST = 20_000  # rows for each of them
LEAST_TEST_ROWS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """The places of rows by their use; no row is in two parts.

    `calibration` is None in a small table: there the training rows calibrate, by models that have not seen them.
    """

    train: Classes
    calibration: Classes | None
    test: Classes

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each part, by its name."""
        parts = {"train": self.train, "calibration": self.calibration, "test": self.test}
        return {name: len(part) for name, part in parts.items() if part is not None}


def split(classes: Classes, seed: int) -> Split:
    """Return the parts of rows with these classes [n]; the same seed gives the same parts.

    A fifth is for testing, and of more than `SMALL` rows another fifth for calibration, each at most `MOST` rows. Every
    label gives its share of them, rounded, as long as `LEAST_ROWS` of its rows are left for training: a label with few
    rows may have none in a part. The rows that are not for training are dealt at random, as coverage is promised for
    random parts. Raises `Refused` if the rows are too few.
    """
    parts = 1 if len(classes) <= SMALL else 2
    chance = np.random.default_rng(seed)
    held = chance.permutation(_held(classes, parts * min(SHARE, MOST / len(classes)), chance))
    train = np.setdiff1d(np.arange(len(classes)), held)
    if len(train) < LEAST_CALIBRATION_ROWS or len(held) < parts * LEAST_TEST_ROWS:
        raise Refused(
            f"{len(classes)} rows are too few: {len(held)} of them would be for testing, and of the others"
            f" {LEAST_CALIBRATION_ROWS} are needed for a coverage of 95 %"
        )
    *calibration, test = map(np.sort, np.array_split(held, parts))
    return Split(train, calibration[0] if calibration else None, test)


def grouped(frame: Frame, split: Split) -> Split:
    """Move the rows of a frame, in their place, so that those of a part are beside each other; return the new places.

    Each part keeps the order of its rows, and then needs no copy of them.
    """
    parts = [part for part in (split.train, split.calibration, split.test) if part is not None]
    order = np.concatenate(parts)
    for column in (*frame.numbers.T, *frame.texts.T, frame.classes):
        column[:] = column[order]
    train, *calibration, test = np.split(np.arange(len(order)), np.cumsum([len(part) for part in parts])[:-1])
    return Split(train, calibration[0] if calibration else None, test)


def _held(classes: Classes, share: float, chance: np.random.Generator) -> Classes:
    """Return the places of a share of each label's rows."""
    counts = np.bincount(classes)
    takes = np.minimum(np.round(counts * share).astype(np.int64), np.maximum(counts - LEAST_ROWS, 0))
    shuffled = chance.permutation(len(classes))
    by_label = shuffled[np.argsort(classes[shuffled], kind="stable")]
    ranks = np.arange(len(classes)) - np.repeat(counts.cumsum() - counts, counts)
    return by_label[ranks < np.repeat(takes, counts)]
