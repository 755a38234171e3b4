"""Tells how much of the values of a column float32 keeps, the type in which a graph takes numbers.

float32 has 24 binary digits. Whole numbers up to 2^24 keep their value. Seconds since 1970 are rounded to 128 s.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd_training.frames.frame import Numbers

EXACT = 2**24  # up to here, float32 has every whole number
LEAST_LOST = 0.01  # standard deviations by which a value is moved too far, if it then is the same as another one


class Rounding(NamedTuple):
    """The number of values that share a float32 with a different one, and whether too much is lost to learn from."""

    shared: int
    is_too_coarse: bool


def rounding_of(exact: npt.NDArray[np.float64], rounded: Numbers, written: pa.ChunkedArray) -> Rounding:
    """Return the loss by rounding a column [n] with NaN for missing values; `written` tells its values apart.

    `written` has them as whole numbers or as texts, so that those beyond float64 are different, too.
    """
    moved = float(np.nanmax(np.abs(exact - rounded)))
    is_coarse = moved >= LEAST_LOST * float(np.nanstd(exact))  # zero is not below zero: all may be one float64
    if not is_coarse and np.nanmax(np.abs(exact)) <= EXACT:
        return Rounding(0, False)
    shared = shared_of(written)
    return Rounding(shared, is_coarse and shared > 0)


def shared_of(written: pa.ChunkedArray) -> int:
    """Return the number of values whose float32 is that of a different value, too."""
    counted = pc.value_counts(written.drop_null())
    with np.errstate(over="ignore"):  # beyond float32, which is refused elsewhere
        rounded = np.asarray(pc.cast(counted.field("values"), pa.float64(), safe=False)).astype(np.float32)
    _, places, sharing = np.unique(rounded, return_inverse=True, return_counts=True)
    return int(np.asarray(counted.field("counts"))[sharing[places] > 1].sum())
