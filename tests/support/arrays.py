"""Arrays of float32, compared bit by bit."""

from collections.abc import Mapping

import numpy as np

from softmaxd.models.outputs import Array


def float32(rows: object) -> Array:
    return np.array(rows, dtype=np.float32)


def bits(rows: object) -> bytes:
    """Return the bytes of rows as float32."""
    return float32(rows).tobytes()


def assert_same(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert found.keys() <= expected.keys()
    for name, values in found.items():
        assert values.shape == expected[name].shape
        assert values.tobytes() == expected[name].tobytes(), name
