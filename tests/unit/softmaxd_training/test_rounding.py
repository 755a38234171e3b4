"""Tolerances follow from the roundings of float32 and from the size of the logits."""

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.numerics.softmax import Softmax
from softmaxd_training.rounding import (
    ROUNDING,
    ROUNDINGS,
    check_differences,
    check_outputs,
    logit_errors,
    probability_tolerances,
    roundings,
)


def test_sums_of_many_values_in_float32_stay_within_their_roundings() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(size=(2000, 400)).astype(np.float32)
    exact = np.cumsum(values.astype(np.float64), axis=1)

    found = np.cumsum(values, axis=1, dtype=np.float32)[:, -1]

    worst = np.abs(found - exact[:, -1]) / np.abs(exact).max(axis=1)
    assert ROUNDING < worst.max() <= roundings(400) < 400 * ROUNDING


def test_few_additions_have_the_roundings_of_any_logit() -> None:
    assert roundings(1) == roundings(7) == ROUNDINGS


def test_the_largest_logit_sets_the_error_of_its_row() -> None:
    assert logit_errors(np.array([[0.0, 0.0], [3.0, -7.0]])).tolist() == [[ROUNDINGS], [8 * ROUNDINGS]]


def test_probabilities_change_by_less_than_their_tolerance_when_logits_change_by_their_error() -> None:
    draw = np.random.default_rng(1)
    logits = draw.normal(size=(500, 4)) * 10
    changed = logits + logit_errors(logits) * draw.choice([-1, 1], logits.shape)

    differences = np.abs(Softmax(changed).probabilities - Softmax(logits).probabilities)

    assert (differences <= probability_tolerances(logits)).all()
    assert differences.max() > ROUNDINGS


def test_larger_errors_of_the_logits_allow_larger_differences() -> None:
    logits = np.zeros((1, 2))

    assert probability_tolerances(logits, np.array([[1e-3]])).tolist() == [[0.5e-3 + ROUNDINGS] * 2]


def test_outputs_are_compared_by_logits_and_by_probabilities() -> None:
    logits = np.array([[1.0, 2.0], [0.0, 3.0]])
    right = {"logits": logits.astype(np.float32), "probabilities": Softmax(logits).probabilities.astype(np.float32)}
    wrong = {**right, "probabilities": right["probabilities"] + np.float32(1e-5)}

    assert check_outputs(right, logits, logit_errors(logits), program="Python") < ROUNDINGS
    with pytest.raises(Refused, match=r"^Python and ONNX Runtime differ by 1\.0e-05 in a probability, more than the"):
        check_outputs(wrong, logits, logit_errors(logits), program="Python")
    with pytest.raises(Refused, match=r"^Python and ONNX Runtime differ by 1\.0e\+00 in a logit, more than the"):
        check_outputs(right, logits + 1, logit_errors(logits), program="Python")


@pytest.mark.parametrize("tolerances", [1.0, np.ones((2, 1))])
def test_a_difference_that_is_not_a_number_is_refused(tolerances: float) -> None:
    with pytest.raises(Refused, match="differ by nan in a logit, more than the tolerance of 1e"):
        check_differences(np.array([[0, 0.5], [np.nan, 0.1]]), tolerances, "a logit", program="Python")
