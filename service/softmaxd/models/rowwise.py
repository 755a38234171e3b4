"""Tests whether the answer to a row depends on the rows beside it, and chooses batches in which it does not.

Most models do, bit for bit. But some kernels add in another order when there is one row, and some functions are
computed in another way for the last numbers of an array, which do not fill a vector register: a multiple of 16 rows
hides both. The other models have rows that depend on each other, for example by a scale over all rows.
"""

from typing import Literal

import numpy as np

from softmaxd.models.manifest import ATYPICALITY, OUTPUTS
from softmaxd.models.outputs import Array, Features
from softmaxd.models.together import Run

ALIGNED_ROWS = 16  # numbers of float32 in the widest vector register; of float64 it has 8
SIZES = (1, 2, 3, 5, 7, 8, 11, 13, 16, 31)  # of batches, which are compared with one batch of all rows
ROWS_TO_TRY = sum(SIZES)

SERVED = {*OUTPUTS, ATYPICALITY}  # a graph may have more outputs

Batching = Literal["joined", "padded", "alone"]  # how the rows of several requests run


def choose_batching(run: Run, features: Features) -> tuple[Run, Batching]:
    """Return how to run a model, after trying it with ROWS_TO_TRY different rows."""
    if _is_rowwise(run, features):
        return run, "joined"
    padded = _padded(run)
    if _is_rowwise(padded, features):
        return padded, "padded"
    return run, "alone"


def _is_rowwise(run: Run, features: Features) -> bool:
    try:
        whole = run(features)
        start = 0
        for size in SIZES:
            stop = start + size
            part = run(features[start:stop])
            if any(part[name].tobytes() != whole[name][start:stop].tobytes() for name in SERVED & whole.keys()):
                return False
            start = stop
    except Exception:  # a model may refuse rows that no client has sent
        return False
    return True


def _padded(run: Run) -> Run:
    def run_padded(features: Features) -> dict[str, Array]:
        rows = len(features)
        more = np.repeat(features[-1:], -rows % ALIGNED_ROWS, axis=0)
        return {name: values[:rows] for name, values in run(np.concatenate([features, more])).items()}

    return run_padded
