import json

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import OutputNotFinite
from softmaxd.models.outputs import FEW_ROWS, Array, Batch, Outputs, float32_to_json, is_finite

ROUNDED_TWICE = 0x15AE43FD  # 7.03853069e-26, whose shortest digits are read as a float64 halfway to its neighbour


def of_bits(bits: npt.ArrayLike) -> Array:
    """Return the finite float32 among these bit patterns."""
    values = np.array(bits, dtype=np.uint32).view(np.float32)
    return values[np.isfinite(values)]


def as_clients_read(text: bytes) -> Array:
    """Read numbers as float64 and round them to float32, as JavaScript and Python clients do."""
    return np.array(json.loads(text), dtype=np.float64).astype(np.float32)


def batch(rows: int) -> Array:
    return np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)


def test_each_float32_comes_back_bit_for_bit_by_way_of_float64() -> None:
    random = np.random.default_rng(7).integers(0, 2**32, 1_000_000, dtype=np.uint32)
    values = of_bits([*random, 0, 1, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x80000000])

    assert as_clients_read(float32_to_json(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("among", [0, 10_000])
@pytest.mark.parametrize("sign", [0, 2**31])
def test_so_does_the_one_that_is_rounded_twice(among: int, sign: int) -> None:
    values = of_bits([0x3F8CCCCD] * among + [ROUNDED_TWICE | sign])

    assert as_clients_read(float32_to_json(values)).tobytes() == values.tobytes()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_any_float32_comes_back_bit_for_bit(bits: list[int]) -> None:
    values = of_bits(bits)

    assert as_clients_read(float32_to_json(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("rows", [1, 2, FEW_ROWS, FEW_ROWS + 1])
def test_a_request_gets_its_own_rows_as_json(rows: int) -> None:
    values = batch(rows + 2)
    outputs = Outputs(Batch({"logits": values}), 1, 1 + rows)

    assert json.loads(outputs.json("logits")) == values[1:-1].tolist()
    assert json.loads(outputs.flat_json("logits")) == values[1:-1].ravel().tolist()


def test_each_request_of_a_batch_gets_its_own_rows_as_bytes() -> None:
    values = batch(6)
    shared = Batch({"logits": values})

    for start, stop in ((0, 1), (1, 3), (3, 6)):
        assert Outputs(shared, start, stop).raw("logits") == values[start:stop].tobytes()


@pytest.mark.parametrize("rows", [1, FEW_ROWS + 1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_only_the_request_whose_row_is_not_finite_is_refused(rows: int, value: float) -> None:
    values = batch(rows + 1)
    values[rows, 1] = value
    shared = Batch({"logits": values})

    good = Outputs(shared, 0, rows)
    assert json.loads(good.flat_json("logits")) == values[:rows].ravel().tolist()
    for read in (Outputs.json, Outputs.flat_json, Outputs.raw, Outputs.__getitem__):
        with pytest.raises(OutputNotFinite, match="Row 0"):
            read(Outputs(shared, rows, rows + 1), "logits")


def test_large_values_whose_squares_overflow_are_finite() -> None:
    values = np.full((1, 2), 3e38, dtype=np.float32)

    assert is_finite(values)
    assert Outputs(Batch({"logits": values}), 0, 1).flat_json("logits") == b"[3e+38,3e+38]"


def outputs(probabilities: Array, start: int, stop: int) -> Outputs:
    return Outputs(Batch({"probabilities": probabilities}), start, stop)


@pytest.mark.parametrize("rows", [1, 3, FEW_ROWS, FEW_ROWS + 1])
def test_the_rows_of_a_request_are_written_alike_in_any_batch(rows: int) -> None:
    random = np.random.default_rng(rows).random((rows + 7, 4), dtype=np.float32)
    part = random[3 : 3 + rows]

    in_a_batch, alone = outputs(random, 3, 3 + rows), outputs(part, 0, rows)

    assert in_a_batch.json("probabilities") == alone.json("probabilities")
    assert np.array(json.loads(alone.json("probabilities")), dtype=np.float32).tobytes() == part.tobytes()
    assert in_a_batch["probabilities"].tobytes() == part.tobytes()
    assert in_a_batch.best == part.argmax(axis=1).tolist()


def test_of_equal_probabilities_the_lower_index_is_best() -> None:
    assert outputs(np.full((2, 3), 1 / 3, dtype=np.float32), 0, 2).best == [0, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_only_the_request_whose_row_it_is_hears_of_an_output_that_is_not_finite(value: float) -> None:
    probabilities = np.full((5, 2), 0.5, dtype=np.float32)
    probabilities[3, 1] = value
    batch = Batch({"probabilities": probabilities})

    assert Outputs(batch, 0, 3).json("probabilities") == b"[[0.5,0.5],[0.5,0.5],[0.5,0.5]]"
    for read in (Outputs.json, Outputs.__getitem__):
        with pytest.raises(OutputNotFinite) as refused:
            read(Outputs(batch, 2, 5), "probabilities")
        assert refused.value.row == 1
