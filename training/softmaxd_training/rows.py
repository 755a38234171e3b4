"""The rows that a model is made from, and what each part of them is for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from softmaxd.models.manifest import Feature
from softmaxd.models.outputs import Array

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Features [n, d] and the class [n] of each row, as an index."""

    features: Array
    classes: Classes

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, start: int, end: int) -> "Rows":
        return Rows(self.features[start:end], self.classes[start:end])


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows by what they are for; no row is in two parts.

    The weights are fitted to `train`; `validation` chooses among networks, or when to stop. `calibration` fits the
    temperature, and is what rows to come are compared with. On `test` the figures are measured.
    """

    train: Rows
    validation: Rows
    calibration: Rows
    test: Rows

    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in ("train", "validation", "calibration", "test")}


def ranges(features: Array, names: Sequence[str]) -> tuple[Feature, ...]:
    """Return the features [n, d] by name, with their ranges."""
    low, high = features.min(axis=0), features.max(axis=0)
    return tuple(Feature(name=name, min=float(low[i]), max=float(high[i])) for i, name in enumerate(names))


def one_hot(classes: Classes, count: int) -> Array:
    """Return a row of `count` zeros, with a one at its class, for each class [n]."""
    return np.eye(count, dtype=np.float32)[classes]
