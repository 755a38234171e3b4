"""The loss by float32 is told as it is."""

import numpy as np
import pyarrow as pa
import pytest

from softmaxd_training.frames.precision import Rounding, rounding_of, shared_of


def rounding(values: pa.Array) -> Rounding:
    exact = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return rounding_of(exact, exact.astype(np.float32), pa.chunked_array([values]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([0, 1, 2**24]), Rounding(0, False)),
        (pa.array([0, 2**24, 2**24 + 1]), Rounding(2, False)),
        (pa.array([4_900_000_000_000 + i for i in range(100)]), Rounding(100, True)),
        (pa.array([4_900_000_000_000 + 524_288 * i for i in range(1000)]), Rounding(0, False)),
        (pa.array([1_700_000_000 + 10 * i for i in range(360)]), Rounding(360, True)),  # an hour
        (pa.array([1_700_000_000 + 86_400 * i for i in range(365)]), Rounding(0, False)),  # a year
        (pa.array([2**62, 2**62 + 1]), Rounding(2, True)),  # the same in float64
        (pa.array([1.5, None, 1e30]), Rounding(0, False)),
        (pa.array([1e-300, 2e-300]), Rounding(2, True)),
        (pa.array([0.1, 0.1]), Rounding(0, False)),
        (pa.array([16_777_217, 16_777_221]), Rounding(0, False)),  # moved, and still different
    ],
)
def test_rounding_is_too_coarse_by_the_spread_of_the_column(values: pa.Array, expected: Rounding) -> None:
    assert rounding(values) == expected


def test_values_are_told_apart_by_their_texts() -> None:
    assert shared_of(pa.chunked_array([["99999999999999999999", "99999999999999999998", "7", None]], pa.string())) == 2


def test_each_row_with_a_shared_value_counts() -> None:
    values = pa.chunked_array([pa.array([2**24, 2**24 + 1, 2**24 + 1, 2**24 + 2])])

    assert shared_of(values) == 3
