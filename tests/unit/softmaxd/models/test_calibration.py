import numpy as np
import pytest
from pydantic import ValidationError

from softmaxd.models.calibration import Calibration

GOOD: dict[str, object] = {"rows": 3, "temperature": 1.5, "scores": [1.0, 2.0], "atypicality": [0.5]}
ONE, TWO, NONE = {"rows": 1, "scores": [1.0]}, {"rows": 2, "scores": [0.5, 2.0]}, {"rows": 0, "scores": []}


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": [2.0, 1.0]},
        {"scores": []},
        {"atypicality": [1.0, 2.0, 3.0, 4.0]},
        {"temperature": 0.0},
        {"scores": [float("inf")]},
        {"rows": 2**63},
        {"by_label": [ONE, ONE]},
        {"by_label": [TWO, {"rows": 1, "scores": [1.0, 2.0]}]},
        {"by_label": [TWO, {"rows": 1, "scores": []}]},
        {"by_label": [TWO, ONE, {"rows": 0, "scores": [1.0]}]},
        {"by_label": [ONE, {"rows": 2, "scores": [2.0, 0.5]}]},
        {"by_label": [ONE, TWO, {"rows": -1, "scores": []}]},
    ],
)
def test_calibration_data_that_cannot_be_is_refused(changed: dict[str, object]) -> None:
    assert Calibration.model_validate({**GOOD, "by_label": [ONE, NONE, TWO]}).rows == 3
    with pytest.raises(ValidationError):
        Calibration.model_validate({**GOOD, **changed})


def test_manifests_without_rows_by_label_stay_valid_and_give_marginal_sets() -> None:
    calibration = Calibration.model_validate(GOOD)

    assert calibration.by_label is None
    assert calibration.thresholds(0.75) == (2.0, ())
    assert calibration.prediction_sets(np.array([[-1.5, -2.5]]), 0.75).tolist() == [[True, False]]


def test_sets_by_class_compare_each_label_with_its_own_rows() -> None:
    calibration = Calibration.model_validate({**GOOD, "by_label": [TWO, ONE, NONE]})

    highest, not_guaranteed = calibration.thresholds(0.5, "class")  # of two rows, the second; of one row, the first

    assert np.array_equal(highest, [2.0, 1.0, 1.0])  # of all three rows, the second
    assert not_guaranteed == [2]
    logarithms = np.array([[-1.5, -1.5, -1.5]])
    assert calibration.prediction_sets(logarithms, 0.5, "class").tolist() == [[True, False, False]]
