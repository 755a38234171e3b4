"""A linear model of encoded rows: softmax regression, with the strength of its penalty chosen by rows left out."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Classes, one_hot
from softmaxd_training.tables.folds import FOLDS

STRENGTHS = 30.0, 10.0, 3.0, 1.0, 0.3, 0.1  # of the penalty λ/2·|w|², beside the sum of the rows' losses
BENDS = 0.0, 1.0  # 0: straight in each number; 1: a piecewise linear curve of each number
TUNED = 4_000  # rows that choose among them
STEPS = 200  # of L-BFGS, at most
TOLERANCE = 1e-6  # of the loss, relative, between two steps
COARSE = 1e-4  # the same, while strengths are compared


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Weights [D, k] and bias [k]: logits = encoded rows · weights + bias. It was fitted with these options."""

    weights: Array
    bias: Array
    strength: float
    bend: float

    def logits(self, encoded: Array) -> Array:
        """Return the logits [n, k] of encoded rows [n, D], in float32."""
        return encoded @ self.weights + self.bias


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """The pieces of numbers among the encoded columns, which are the first: the number of each, and its length [p]."""

    numbers: Classes
    lengths: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Design:
    """Columns that a linear model of the encoded ones is fitted in, so that a penalty treats them alike.

    Added up by their lengths, the pieces of a number give the number itself, between the lowest and the highest of the
    training rows. So there is one standardised column for each number, and `bend` times each encoded piece beside it.
    `matrix` [D, f] makes these columns of the encoded ones, and thus encoded weights of theirs.
    """

    matrix: Array
    center: Array  # [f]

    @classmethod
    def of(cls, encoded: Array, pieces: Pieces, bend: float) -> "_Design":
        width = encoded.shape[1]
        lines = np.zeros((width, pieces.numbers.max(initial=-1) + 1))
        lines[np.arange(len(pieces.numbers)), pieces.numbers] = pieces.lengths
        spreads = (encoded @ lines).std(axis=0)
        lines = lines[:, spreads > 0] / spreads[spreads > 0]
        others = np.diag(np.where(np.arange(width) < len(pieces.numbers), bend, 1.0))
        matrix = np.hstack([lines, others[:, others.any(axis=0)]]).astype(np.float32)
        return cls(matrix, encoded.mean(axis=0) @ matrix)

    def columns(self, encoded: Array) -> Array:
        return encoded @ self.matrix - self.center


def fit_linear(encoded: Array, classes: Classes, folds: Classes, pieces: Pieces, *, seed: int) -> tuple[Linear, Floats]:
    """Return the linear model of all rows, and the logits [n, k] of each row by a model that left it out.

    Encoded rows [n, D], classes [n] with every class from 0 up, folds [n]. Strength and bend are those with the lowest
    out-of-fold loss; in a table of more than `TUNED` rows, of so many drawn by the seed.
    """
    tuned = np.sort(np.random.default_rng(seed).permutation(len(classes))[:TUNED])
    fits = [fit for bend in BENDS for fit in _path(encoded[tuned], classes[tuned], folds[tuned], pieces, bend)]
    _, strength, bend = min(fits)
    design = _Design.of(encoded, pieces, bend)
    models = _Models.zeros(design.matrix.shape[1], int(classes.max()) + 1)
    models = models.fitted(design.columns(encoded), classes, folds, strength, TOLERANCE)
    weights, bias = models.of_all
    folded = (design.matrix @ weights).astype(np.float32)
    logits = models.out_of_fold(design.columns(encoded), folds)
    return Linear(folded, (bias - design.center @ weights).astype(np.float32), strength, bend), logits


def _path(
    encoded: Array, classes: Classes, folds: Classes, pieces: Pieces, bend: float
) -> Iterator[tuple[float, float, float]]:
    """Yield the out-of-fold loss, the strength and the bend for each strength, until the loss rises.

    Each fit begins where the last one ended.
    """
    columns = _Design.of(encoded, pieces, bend).columns(encoded)
    models = _Models.zeros(columns.shape[1], int(classes.max()) + 1)
    lowest = math.inf
    for strength in STRENGTHS:
        models = models.fitted(columns, classes, folds, strength, COARSE)
        loss = mean_loss(models.out_of_fold(columns, folds), classes)
        yield loss, strength, bend
        if loss > lowest:
            return
        lowest = loss


@dataclass(frozen=True, slots=True, eq=False)
class _Models:
    """Nine models side by side, weights [f + 1, 9, k] with the bias last: one for each fold left out, one of all rows.

    They are fitted as one, because a product with nine models is hardly slower than with one.
    """

    weights: Floats

    @classmethod
    def zeros(cls, columns: int, classes: int) -> "_Models":
        return cls(np.zeros((columns + 1, FOLDS + 1, classes)))

    @property
    def of_all(self) -> tuple[Floats, Floats]:
        """The weights [f, k] and the bias [k] of the model of all rows."""
        return self.weights[:-1, FOLDS], self.weights[-1, FOLDS]

    def fitted(self, columns: Array, classes: Classes, folds: Classes, strength: float, tolerance: float) -> "_Models":
        """Return the models with the lowest loss and penalty, by L-BFGS from these on."""
        trains = (folds[:, None] != np.arange(FOLDS + 1)).astype(np.float32)
        truth = one_hot(classes, self.weights.shape[2])[:, None]

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights = flat.reshape(self.weights.shape)
            shifted = _shifted(columns, weights)
            exponentials = np.exp(shifted)
            totals = exponentials.sum(axis=2, keepdims=True)
            losses = np.log(totals[:, :, 0]) - (shifted * truth).sum(axis=2)
            errors = (exponentials / totals - truth) * trains[:, :, None]
            slopes = (columns.T @ errors.reshape(len(columns), -1)).reshape(-1, *weights.shape[1:])
            slopes = slopes + strength * weights[:-1]
            value = (losses * trains).sum(dtype=np.float64) + strength / 2 * (weights[:-1] ** 2).sum()
            gradient = np.concatenate([slopes, errors.sum(axis=0, dtype=np.float64)[None]]) / len(columns)
            return value / len(columns), gradient.ravel()

        options = {"maxiter": STEPS, "ftol": tolerance}
        found = minimize(loss, self.weights.ravel(), jac=True, method="L-BFGS-B", options=options)
        return _Models(found.x.reshape(self.weights.shape))

    def out_of_fold(self, columns: Array, folds: Classes) -> Floats:
        """Return the logits [n, k] of each row by the model that left it out."""
        logits = np.empty((len(columns), self.weights.shape[2]))
        for fold in range(FOLDS):
            mine = folds == fold
            logits[mine] = columns[mine] @ self.weights[:-1, fold] + self.weights[-1, fold]
        return logits


def _shifted(columns: Array, weights: Floats) -> Array:
    """Return the logits [n, 9, k] of all models for columns [n, f], less the highest of each row."""
    flat = weights[:-1].reshape(columns.shape[1], -1).astype(np.float32)
    logits = (columns @ flat).reshape(len(columns), *weights.shape[1:]) + weights[-1].astype(np.float32)
    return np.asarray(logits - logits.max(axis=2, keepdims=True))
