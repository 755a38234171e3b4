from collections.abc import Mapping

import numpy as np
import pytest

from softmaxd.errors import ModelError
from softmaxd.models.agreement import MAX_DIFFERENCE, check_agreement, largest_difference
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array, Features
from tests.support.onnx_models import linear

ROWS = np.array([[0.5, 1.0], [2.0, -1.0], [100.0, 3.0]], np.float32)
GOOD = Engine(linear().SerializeToString(), device="cpu")


def test_a_model_agrees_with_itself() -> None:
    check_agreement(GOOD.run, GOOD.run, [ROWS[:1], ROWS])


def test_a_model_with_another_weight_is_refused() -> None:
    wrong = Engine(linear(bias=(0.0, 0.01, 0.0)).SerializeToString(), device="cpu")

    with pytest.raises(ModelError) as refused:
        check_agreement(wrong.run, GOOD.run, [ROWS[:1], ROWS])

    assert str(refused.value) == (
        "its logits on the GPU and on the CPU differ by 5.7e-03 for rows that were tried, more than 2.4e-04; "
        "serve it with device cpu"
    )


def test_a_difference_in_any_of_the_rows_counts() -> None:
    def wrong_in_the_last_row(rows: Features) -> Mapping[str, Array]:
        outputs = {name: values.copy() for name, values in GOOD.run(rows).items()}
        outputs["probabilities"][-1, 0] += 0.001
        return outputs

    with pytest.raises(ModelError, match=r"^its probabilities on the GPU"):
        check_agreement(wrong_in_the_last_row, GOOD.run, [ROWS])


def test_rows_that_the_cpu_cannot_run_do_not_count() -> None:
    def fails(_rows: Features) -> Mapping[str, Array]:
        raise ValueError("no such row")

    check_agreement(fails, fails, [ROWS])


@pytest.mark.parametrize(
    ("values", "others", "difference"),
    [
        ([[1.0, 2.0]], [[1.0, 2.0]], 0.0),
        ([[0.25, 0.5]], [[0.25, 0.625]], 0.125),  # of a probability
        ([[1.0, 200.0]], [[1.5, 200.0]], 0.0025),  # relative to the largest of the row
        ([[1.0, 200.0], [1.0, 0.0]], [[1.0, 200.0], [1.5, 0.0]], 0.5 / 1.5),  # of its own row
        ([[np.nan, np.inf, -np.inf]], [[np.nan, np.inf, -np.inf]], 0.0),
        ([[np.nan, 1.0]], [[np.nan, 1.5]], 0.5 / 1.5),
        ([[np.nan]], [[1.0]], np.inf),
        ([[1.0]], [[np.nan]], np.inf),
        ([[np.inf]], [[-np.inf]], np.inf),
        ([[1.0]], [[1.0], [1.0]], np.inf),
        ([2.0, 1.0], [2.0, 1.5], 0.5 / 1.5),
    ],
)
def test_differences(values: object, others: object, difference: float) -> None:
    assert largest_difference(np.array(values, np.float32), np.array(others, np.float32)) == pytest.approx(difference)


def test_the_bound_is_the_margin_of_prediction_sets() -> None:
    assert MAX_DIFFERENCE == 1 / 4096  # docs/trust.md
