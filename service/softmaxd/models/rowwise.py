"""Tests whether the answer to a row depends on the rows beside it, and chooses batches in which it does not.

For most models it does not, to the last bit. But some kernels add in another order when there is one row, and some
functions are computed in another way for the last numbers of an array, which do not fill a vector register: a multiple
of 16 rows hides both. The other models have rows that depend on each other, for example by a scale over all rows.

Such a function, the logarithm among them, gives other bits for one number in ten or in fifty only. So a model passes
unpadded only if it is tried with many such last numbers, and those are different ones.
"""

from collections.abc import Iterable, Mapping
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np

from softmaxd.models.manifest import ATYPICALITY, LOGITS, OUTPUTS
from softmaxd.models.outputs import Array, Features
from softmaxd.models.together import Run

ALIGNED_ROWS = 16  # numbers of float32 in the widest vector register; of float64 it has 8
SIZES = (1, 2, 3, 5, 7, 8, 11, 13, 16, 31)  # of batches, which are compared with one batch of all rows
ROWS_TO_TRY = sum(SIZES)
BATCHES = [slice(start, stop) for start, stop in pairwise(accumulate(SIZES, initial=0))]
SINGLE_ROWS = [slice(row, row + 1) for row in range(ROWS_TO_TRY)]
ENOUGH_ANSWERS = ROWS_TO_TRY // 2  # that differ: the leaves of a forest may give all rows the same few numbers

SERVED = {*OUTPUTS, ATYPICALITY}  # a graph may have more outputs

Batching = Literal["joined", "padded", "alone"]  # how the rows of several requests run


def choose_batching(run: Run, features: Features) -> tuple[Run, Batching]:
    """Return how to run a model, after trying it with ROWS_TO_TRY different rows."""
    if _is_rowwise(run, features, [*BATCHES, *SINGLE_ROWS], least_answers=ENOUGH_ANSWERS):
        return run, "joined"
    padded = _padded(run)
    if _is_rowwise(padded, features, BATCHES):
        return padded, "padded"
    return run, "alone"


def _is_rowwise(run: Run, features: Features, batches: Iterable[slice], *, least_answers: int = 1) -> bool:
    try:
        whole = run(features)
        if len({row.tobytes() for row in whole[LOGITS]}) < least_answers:
            return False
        return _gives(run, features, whole, batches)
    except Exception:  # a model may refuse rows that no client has sent
        return False


def is_same(run: Run, other: Run, features: Features) -> bool:
    """Return True if two ways to run a model give the same bits for features, together and in batches."""
    try:
        whole = other(features)
        return _gives(run, features, whole, [slice(None), *BATCHES])
    except Exception:  # as above
        return False


def _gives(run: Run, features: Features, whole: Mapping[str, Array], batches: Iterable[slice]) -> bool:
    """Return True if the batches of features have their rows of the outputs of all, to the last bit."""
    names = SERVED & whole.keys()
    for batch in batches:
        part = run(features[batch])
        if any(part[name].tobytes() != whole[name][batch].tobytes() for name in names):
            return False
    return True


def _padded(run: Run) -> Run:
    def run_padded(features: Features) -> dict[str, Array]:
        rows = len(features)
        more = np.repeat(features[-1:], -rows % ALIGNED_ROWS, axis=0)
        return {name: values[:rows] for name, values in run(np.concatenate([features, more])).items()}

    return run_padded
