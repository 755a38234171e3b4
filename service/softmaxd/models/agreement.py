"""Compares the outputs of a model on a GPU with those on the CPU, before it serves."""

from collections.abc import Iterable, Mapping

import numpy as np

from softmaxd.errors import ModelError
from softmaxd.models.outputs import Array, Features
from softmaxd.models.rowwise import SERVED
from softmaxd.models.together import Run

# A sum of 4,096 float32 terms has an error of at most this share of their size; prediction sets have the same margin.
MAX_DIFFERENCE = 2**-12  # of a probability, or of another output by the largest one in its row, if that is above 1


def check_agreement(run: Run, reference: Run, tried: Iterable[Features]) -> None:
    """Refuse a model whose outputs differ from those of a reference, for all rows that this can run.

    Raises `ModelError`.
    """
    for rows in tried:
        expected = _outputs_of(reference, rows)
        found = run(rows) if expected else {}
        for name in sorted(SERVED & expected.keys()):
            _check(name, largest_difference(found[name], expected[name]))


def _outputs_of(run: Run, rows: Features) -> Mapping[str, Array]:
    try:
        return run(rows)
    except Exception:  # a model may refuse rows that no client has sent
        return {}


def _check(name: str, difference: float) -> None:
    if difference > MAX_DIFFERENCE:
        raise ModelError(
            f"its {name} on the GPU and on the CPU differ by {difference:.1e} for rows that were tried, more than "
            f"{MAX_DIFFERENCE:.1e}; serve it with device cpu"
        )


def largest_difference(values: Array, others: Array) -> float:
    """Return the largest difference of two arrays [n, …], relative to the size of its row in the second if above 1.

    Infinite if their shapes differ, or numbers that are not finite. The same infinity and NaN do not differ.
    """
    if values.shape != others.shape:
        return np.inf
    found, expected = (each.reshape(len(each), -1).astype(np.float64) for each in (values, others))
    is_finite = np.isfinite(found) & np.isfinite(expected)
    if not np.array_equal(found[~is_finite], expected[~is_finite], equal_nan=True):
        return np.inf
    found[~is_finite] = expected[~is_finite] = 0.0
    sizes = np.abs(expected).max(axis=1, initial=1.0, keepdims=True)
    return float((np.abs(found - expected) / sizes).max(initial=0.0))
