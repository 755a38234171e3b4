"""Inputs and answers of Triton's clients."""

from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient import http

from softmaxd.models.outputs import Array

NEAR_THE_CENTRES = np.array([[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [30.3, 14.9]], dtype=np.float32)


def tensor(
    rows: npt.NDArray[Any] = NEAR_THE_CENTRES, *, name: str = "features", datatype: str = "FP32", binary: bool = True
) -> http.InferInput:
    """Return an input as both clients take it."""
    made = http.InferInput(name, list(rows.shape), datatype)
    made.set_data_from_numpy(rows, binary_data=binary)
    return made


def assert_same(result: Any, expected: dict[str, Array], *names: str) -> None:
    for name in names:
        found = result.as_numpy(name)
        assert (found.dtype, found.shape) == (np.float32, expected[name].shape)
        assert found.tobytes() == expected[name].tobytes(), name
