"""Calibrates a network on the calibration rows, and measures it on the test rows."""

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import betabinom
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix

from softmaxd.models.manifest import Calibration, Covered, Evaluation, ReliabilityBin
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax, log_softmax
from softmaxd.numerics.trust import quantiles
from softmaxd_training.rows import Classes

COLDEST, HOTTEST = 0.05, 20.0  # the range in which the temperature is searched
PRECISION = 1e-9  # of the temperature's logarithm
BINS = 15  # of the reliability diagram and the expected calibration error
COVERAGES = (0.8, 0.9, 0.95, 0.99)
TENTHS = 10

Outputs = Mapping[str, Array]


def mean_loss(logits: Floats, classes: Classes, temperature: float = 1.0) -> float:
    """Return the mean of −ln p of the true class over the rows, in nats: logits [n, k], classes [n]."""
    return float(Softmax(logits, temperature).loss(classes).mean())


def fit_temperature(logits: Floats, classes: Classes) -> float:
    """Return the temperature with the lowest loss on the calibration rows: logits [n, k], classes [n].

    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017. The loss is
    convex in 1/T, so there is one minimum, or none. If there is none, the temperature is 1, which changes nothing.
    """
    if not can_fit_temperature(logits, classes):
        return 1.0
    found = minimize_scalar(
        lambda logarithm: mean_loss(logits, classes, math.exp(logarithm)),
        bounds=(math.log(COLDEST), math.log(HOTTEST)),
        method="bounded",
        options={"xatol": PRECISION},
    )
    return math.exp(found.x)


def can_fit_temperature(logits: Floats, classes: Classes) -> bool:
    """Return whether the loss has a minimum over the temperatures.

    It has none if every row is labelled right, because surer is always better; nor if the true logits are not above the
    others on average, because less sure is always better.
    """
    right = logits.argmax(axis=1) == classes
    true_logits = logits[np.arange(len(classes)), classes]
    return not right.all() and bool((true_logits - logits.mean(axis=1)).mean() > 0)


def calibrate(outputs: Outputs, classes: Classes, temperature: float) -> Calibration:
    """Return the calibration that the manifest keeps, from the exported graph's outputs for the calibration rows."""
    scores = Softmax(outputs["logits"].astype(np.float64)).loss(classes)
    return Calibration(
        rows=len(classes),
        temperature=temperature,
        scores=tuple(quantiles(scores).tolist()),
        atypicality=tuple(quantiles(outputs["atypicality"].astype(np.float64)).tolist()),
    )


def measure(outputs: Outputs, classes: Classes, temperature: float) -> dict[str, float]:
    """Return the number of test rows, their accuracy, and their `figures` after and `_before` calibration."""
    logits = outputs["logits"].astype(np.float64)
    after, before = figures(logits, classes), figures(logits, classes, 1 / temperature)
    return {
        "test_rows": len(classes),
        "test_accuracy": float(accuracy_score(classes, logits.argmax(axis=1))),
        **{f"test_{name}": value for name, value in after.items()},
        **{f"test_{name}_before": value for name, value in before.items()},
    }


def figures(logits: Floats, classes: Classes, temperature: float = 1.0) -> dict[str, float]:
    """Return the loss in nats, the Brier score (0 to 2) and the expected calibration error (0 to 1).

    The Brier score is the mean squared distance between the probabilities and the truth: G. W. Brier, "Verification of
    forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    softmax = Softmax(logits, temperature)
    brier = brier_score_loss(classes, softmax.probabilities, labels=range(logits.shape[1]), scale_by_half=False)
    return {
        "loss": float(softmax.loss(classes).mean()),
        "brier": float(brier),
        "ece": calibration_error(reliability(softmax.probabilities, classes)),
    }


def reliability(probabilities: Floats, classes: Classes) -> tuple[ReliabilityBin, ...]:
    """Return `BINS` groups of rows of about equal size, in the order of their highest probability [n, k]."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == classes
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(BINS, len(classes)))
    return tuple(
        ReliabilityBin(rows=len(part), confidence=float(confidence[part].mean()), accuracy=float(right[part].mean()))
        for part in parts
    )


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Return the mean distance between confidence and accuracy over all rows: the expected calibration error."""
    gaps = [part.rows * abs(part.confidence - part.accuracy) for part in bins]
    return math.fsum(gaps) / sum(part.rows for part in bins)


def evaluate(outputs: Outputs, classes: Classes, calibration: Calibration) -> Evaluation:
    """Return the confusion matrix, reliability, coverages and typicality of the test rows."""
    logits = outputs["logits"].astype(np.float64)
    before = Softmax(logits, 1 / calibration.temperature).probabilities
    labels = range(logits.shape[1])
    log_probabilities = log_softmax(logits)
    typical = calibration.typicality(outputs["atypicality"])
    return Evaluation(
        confusion=tuple(map(tuple, confusion_matrix(classes, logits.argmax(axis=1), labels=labels).tolist())),
        reliability=reliability(Softmax(logits).probabilities, classes),
        reliability_before=reliability(before, classes),
        prediction_sets=tuple(covered(log_probabilities, classes, calibration, share) for share in COVERAGES),
        typicality=tuple(np.bincount(tenths(typical), minlength=TENTHS).tolist()),
    )


def covered(log_probabilities: Floats, classes: Classes, calibration: Calibration, coverage: float) -> Covered:
    """Return how often the prediction sets of rows [n, k] hold the true label, and their mean number of labels."""
    sets = calibration.prediction_sets(log_probabilities, coverage)
    held = sets[np.arange(len(classes)), classes]
    return Covered(coverage=coverage, measured=float(held.mean()), labels=float(sets.sum(axis=1).mean()))


def coverage_by_chance(calibration_rows: int, test_rows: int, coverage: float) -> tuple[float, float]:
    """Return the range of 95 % of all measurements of a coverage, if all is well: a beta-binomial distribution.

    A. N. Angelopoulos and S. Bates, "A gentle introduction to conformal prediction", 2021, appendix C.
    """
    rank = math.ceil((calibration_rows + 1) * Fraction(str(coverage)))
    if rank > calibration_rows:
        return 1.0, 1.0
    low, high = betabinom(test_rows, rank, calibration_rows + 1 - rank).ppf([0.025, 0.975]) / test_rows
    return float(low), float(high)


def tenths(values: Floats) -> Classes:
    """Return the tenth of (0, 1] that each value lies in, 0 to 9; its upper end belongs to it."""
    above = np.ceil(values * TENTHS) - 1
    return above.astype(np.int64)
