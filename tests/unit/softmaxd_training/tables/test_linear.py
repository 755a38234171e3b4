"""The linear model is softmax regression, with the penalty that rows left out ask for."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from softmaxd.models.outputs import Array
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Classes
from softmaxd_training.tables.encoding import Encoder
from softmaxd_training.tables.folds import deal
from softmaxd_training.tables.linear import STRENGTHS, TUNED, Linear, Pieces, fit_linear

NO_PIECES = Pieces(np.zeros(0, np.int64), np.zeros(0))


def rows_of(count: int, *, seed: int = 0, bent: bool = False) -> tuple[Array, Classes]:
    """Return numbers [n, 3], and classes 0 to 2 drawn by logits that are straight, or bent, in the first two."""
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=(count, 3)).astype(np.float32)
    first = np.abs(numbers[:, 0]) * 4 - 3 if bent else numbers[:, 0] * 2
    logits = np.stack([first, numbers[:, 1], np.zeros(count)], axis=1) + chance.gumbel(size=(count, 3))
    return numbers, logits.argmax(axis=1)


def fitted(numbers: Array, classes: Classes, seed: int = 0) -> tuple[Encoder, Linear]:
    encoder = Encoder.of(numbers, np.empty((len(numbers), 0), object))
    pieces = Pieces(encoder.pieces, 1 / encoder.scales.astype(np.float64))
    encoded = encoder.encode(numbers, np.empty((len(numbers), 0), object))
    return encoder, fit_linear(encoded, classes, deal(classes, seed=seed), pieces, seed=seed)[0]


def test_the_models_are_those_of_the_penalised_regression() -> None:
    numbers, classes = rows_of(300)
    folds = deal(classes, seed=0)

    linear, logits = fit_linear(numbers, classes, folds, NO_PIECES, seed=0)

    regression = LogisticRegression(C=1 / linear.strength, max_iter=1000, tol=1e-8)
    of_all = regression.fit(numbers, classes)
    # Both stop near the minimum of a strictly convex loss: at a relative 1e-6 of it, weights are within 1e-2.
    assert np.abs(linear.weights.T - of_all.coef_).max() < 0.02
    without = regression.fit(numbers[folds != 3], classes[folds != 3]).predict_log_proba(numbers[folds == 3])
    ours = logits[folds == 3] - np.logaddexp.reduce(logits[folds == 3], axis=1, keepdims=True)
    assert np.abs(ours - without).max() < 0.05


def test_two_classes_are_fitted_as_well() -> None:
    numbers, classes = rows_of(300)

    linear, logits = fit_linear(numbers, np.minimum(classes, 1), deal(classes, seed=0), NO_PIECES, seed=0)

    assert linear.weights.shape == (3, 2)
    assert mean_loss(logits, np.minimum(classes, 1)) < 0.6


def test_a_straight_dependence_is_fitted_by_lines_and_a_bent_one_by_curves() -> None:
    _, straight = fitted(*rows_of(600))
    _, curved = fitted(*rows_of(600, bent=True))

    assert (straight.bend, curved.bend) == (0.0, 1.0)


def test_lines_are_straight_in_the_numbers_of_the_training_rows() -> None:
    numbers, classes = rows_of(600)
    encoder, linear = fitted(numbers, classes)
    inner = np.linspace(np.abs(numbers[:, 1]).min(), 1.5, 7, dtype=np.float32)

    rows = np.stack([np.zeros(7, np.float32), inner, np.zeros(7, np.float32)], axis=1)
    logits = linear.logits(encoder.encode(rows, np.empty((7, 0), object)))

    steps = np.diff(logits, axis=0)
    assert np.abs(steps - steps[0]).max() < 1e-4
    assert np.abs(steps[0]).max() > 0.05


def test_features_without_a_meaning_get_the_strongest_penalty() -> None:
    numbers, _ = rows_of(60)
    classes = np.random.default_rng(1).integers(0, 2, 60)

    linear, _ = fit_linear(numbers, classes, deal(classes, seed=0), NO_PIECES, seed=0)

    assert linear.strength == max(STRENGTHS)


def test_large_tables_are_tuned_by_a_part_and_fitted_by_all() -> None:
    numbers, classes = rows_of(TUNED + 500)
    folds = deal(classes, seed=0)

    first, again, other = (fit_linear(numbers, classes, folds, NO_PIECES, seed=seed) for seed in (0, 0, 1))

    assert len(first[1]) == TUNED + 500
    assert np.array_equal(first[0].weights, again[0].weights)
    assert mean_loss(first[1], classes) == pytest.approx(mean_loss(other[1], classes), abs=0.01)
