"""The most probable class of each row, fast for many rows of a few classes."""

from functools import reduce

import numpy as np
import numpy.typing as npt

MANY_ROWS, FEW_COLUMNS = 2_000, 16  # with at least so many rows and at most so many classes, compare column by column

Probabilities = npt.NDArray[np.float32]


def best_classes(probabilities: Probabilities) -> tuple[npt.NDArray[np.integer], Probabilities]:
    """Return the most probable class of each row of [rows, classes], of equal ones the first, and its probability."""
    rows, classes = probabilities.shape
    if rows < MANY_ROWS or classes > FEW_COLUMNS:
        best = probabilities.argmax(axis=1)
        return best, probabilities[np.arange(rows), best]
    columns = [probabilities[:, index] for index in range(classes)]
    highest = reduce(np.maximum, columns)
    from_last = np.ones(rows, dtype=np.uint8)  # a row of NaN gets the last class
    for index, column in enumerate(columns):
        np.maximum(from_last, (column == highest).view(np.uint8) * np.uint8(classes - index), out=from_last)
    return classes - from_last, highest
