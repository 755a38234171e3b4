import json

import numpy as np
import pytest

from service.errors import OutputNotFinite
from service.model import FEW_ROWS, Array, Batch, Outputs


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


def test_numbers_whose_squares_overflow_are_finite() -> None:
    large = np.full((1, 2), 3e38, dtype=np.float32)

    assert outputs(large, 0, 1).json("probabilities") == b"[[3e+38,3e+38]]"
