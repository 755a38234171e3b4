"""The rows that a model is made from, and the parts that they are split into."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from softmaxd.models.features import Feature
from softmaxd.models.manifest import Sample
from softmaxd.models.outputs import Array, Features

LEAST_CALIBRATION_ROWS = 19  # for prediction sets with a coverage of 95 %

SAMPLED = 300  # rows in the manifest
PLANE = 2  # features of a model whose rows can be drawn

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features [n, d], and the class of each row [n] as an index of the labels."""

    features: Features
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, start: int, end: int) -> "Rows":
        """Return the rows from `start` up to, not including, `end`."""
        return Rows(self.features[start:end], self.classes[start:end])

    def chosen(self, places: Classes) -> "Rows":
        """Return the rows at these places."""
        return Rows(self.features[places], self.classes[places])

    def dealt(self, parts: int, seed: int) -> list["Rows"]:
        """Return parts of about equal size, drawn by the seed alone.

        Coverage is promised for random parts. Parts with the same share of every class have too little chance in them:
        of few rows, too small a share was held.
        """
        drawn = np.random.default_rng(seed).permutation(len(self))
        return [self.chosen(np.sort(part)) for part in np.array_split(drawn, parts)]


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows by their use; no row is in two parts.

    The weights are fitted to `train`. `validation` chooses the best network or epoch. `calibration` fits the
    temperature, unless there are rows of that name, and is kept for comparison with the rows of later requests. `test`
    measures the figures.
    """

    train: Rows
    validation: Rows
    calibration: Rows
    test: Rows
    temperature: Rows | None = None

    @property
    def for_temperature(self) -> Rows:
        """The rows that the temperature is fitted to."""
        return self.calibration if self.temperature is None else self.temperature

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each part, by its name."""
        counts = {name: len(getattr(self, name)) for name in ("train", "validation", "calibration", "test")}
        return counts if self.temperature is None else {**counts, "temperature": len(self.temperature)}

    def sha256(self) -> str:
        """Return the hex SHA-256 of all rows: features as float32, then classes as int64, part by part."""
        content = hashlib.sha256()
        for rows in (self.test, self.train, self.validation, self.calibration, self.temperature):
            if rows is None:
                continue
            content.update(rows.features.astype("<f4").tobytes() + rows.classes.astype("<i8").tobytes())
        return content.hexdigest()


def ranges(features: Features, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return the columns of features [n, d] by name, with the lowest and the highest value of each."""
    low, high = features.min(axis=0), features.max(axis=0)
    return tuple(Feature(name=name, min=float(low[i]), max=float(high[i])) for i, name in enumerate(names))


def sample(rows: Rows) -> Sample | None:
    """Return up to 300 rows, evenly spread, for a picture of the data; None if they have not two features.

    The numbers are the shortest that are the same in float32.
    """
    if rows.features.shape[1:] != (PLANE,):
        return None
    count = min(len(rows), SAMPLED)
    chosen = rows.chosen(np.arange(count) * len(rows) // count)
    return Sample(
        rows=tuple((float(str(x)), float(str(y))) for x, y in chosen.features.astype(np.float32)),
        classes=tuple(chosen.classes.tolist()),
    )


def one_hot(classes: Classes, count: int) -> Array:
    """Return a row of `count` zeros with a one at its class, for each class: [n] → [n, count]."""
    return np.eye(count, dtype=np.float32)[classes]
