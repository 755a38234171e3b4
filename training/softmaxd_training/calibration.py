"""Calibrates a network on the calibration rows, and measures it on the test rows."""

import math
from collections.abc import Mapping
from typing import get_args

import numpy as np

from softmaxd.models.calibration import (
    DEFAULT_COVERAGE_BY,
    Calibration,
    CoverageBy,
    Covered,
    Evaluation,
    LabelCalibration,
    ReliabilityBin,
)
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax, log_softmax
from softmaxd.numerics.trust import MARGIN, quantiles
from softmaxd_training.chance import error_by_chance, mean_by_chance, share_by_chance
from softmaxd_training.rows import Classes, one_hot

COLDEST, HOTTEST = 0.05, 20.0  # the range in which the temperature is searched
HARDLY = 0.01  # so near to 1, a temperature changes next to nothing: of two labels a probability by at most 0.0023
DEVIATIONS = 1.96  # from 0, beyond which lie 5 % of a normal distribution
HALVINGS = 60  # of that range of logarithms: down to the last bit
BINS = 15  # of the reliability diagram and the expected calibration error
COVERAGES = (0.8, 0.9, 0.95, 0.99)
TENTHS = 10
LOG_OF_ZERO = math.log(np.finfo(np.float32).tiny)  # as `models add` has it
LOG_OF_ZERO_WITHIN = 1e-4  # by float32

Outputs = Mapping[str, Array]


def mean_loss(logits: Floats, classes: Classes, temperature: float = 1.0) -> float:
    """Return the mean of −ln p of the true class over the rows, in nats: logits [n, k], classes [n]."""
    return float(Softmax(logits, temperature).loss(classes).mean())


def fit_temperature(logits: Floats, classes: Classes) -> float:
    """Return `best_temperature` if it helps by more than chance, or else 1: logits [n, k], classes [n].

    If the probabilities are honest, the slope of the loss over 1/T at 1 has the mean 0 over the rows, and the sum of
    the variances of a logit by them. A slope within 1.96 standard deviations of 0 tells of no fault. C. R. Rao, "Large
    sample tests of statistical hypotheses concerning several parameters with applications to problems of estimation",
    Mathematical Proceedings of the Cambridge Philosophical Society 44, 1948.
    """
    probabilities = Softmax(logits).probabilities
    expected = (probabilities * logits).sum(axis=1)
    variance = (probabilities * (logits - expected[:, None]) ** 2).sum()
    slope = (expected - _true(logits, classes)).sum()
    return best_temperature(logits, classes) if slope**2 > DEVIATIONS**2 * variance else 1.0


def best_temperature(logits: Floats, classes: Classes) -> float:
    """Return the temperature with the lowest loss on these rows: logits [n, k], classes [n].

    C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On calibration of modern neural networks", ICML 2017. The loss is
    convex in 1/T, so there is one minimum, or none. If there is none, the temperature is 1, which changes nothing. The
    slope of the loss over 1/T is the mean logit by the probabilities, less the true logit; it is 0 at the minimum.
    """
    if not can_fit_temperature(logits, classes):
        return 1.0
    true_logits = _true(logits, classes)
    low, high = math.log(COLDEST), math.log(HOTTEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = (Softmax(logits, math.exp(middle)).probabilities * logits).sum(axis=1)
        low, high = (middle, high) if (expected - true_logits).mean() > 0 else (low, middle)
    return math.exp((low + high) / 2)


def can_fit_temperature(logits: Floats, classes: Classes) -> bool:
    """Return whether the loss has a minimum over the temperatures.

    It has none if no label is more probable than the true one of any row, because surer is always better; nor if the
    true logits are not above the others on average, because less sure is always better.
    """
    right = np.isclose(_true(logits, classes), logits.max(axis=1), rtol=MARGIN, atol=0)
    return not right.all() and bool((_true(logits, classes) - logits.mean(axis=1)).mean() > 0)


def effect_of(temperature: float) -> str:
    """Return in words how a temperature changes the answers."""
    if abs(temperature - 1) <= HARDLY:
        return "changes next to nothing"
    return f"makes every answer {'less sure' if temperature > 1 else 'surer'}"


def fit_with_zeros(logits: Floats, classes: Classes) -> tuple[float, float]:
    """Return the temperature, and what is added to each probability before it: logits [n, k], classes [n].

    It is 0 unless the logits are the ln of probabilities of which some are 0, as trees and neighbours give them. One
    row whose true label has such a probability would decide the temperature, because ln 0 is as large as float32 lets
    it be. So 1/n is added: n rows cannot confirm less.
    """
    if abs(logits.min() - LOG_OF_ZERO) > LOG_OF_ZERO_WITHIN or not can_fit_temperature(logits, classes):
        return fit_temperature(logits, classes), 0.0
    added = 1 / len(classes)
    return best_temperature(np.log(Softmax(logits).probabilities + added), classes), added


def _true(values: Floats, classes: Classes) -> Floats:
    """Return the value of each row's true class: [n, k] → [n]."""
    found: Floats = values[np.arange(len(classes)), classes]
    return found


def calibrate(outputs: Outputs, classes: Classes, temperature: float) -> Calibration:
    """Return the calibration that the manifest keeps, from the exported graph's outputs for the calibration rows."""
    scores = Softmax(outputs["logits"].astype(np.float64)).loss(classes)
    labels = [scores[classes == index] for index in range(outputs["logits"].shape[1])]
    return Calibration(
        rows=len(classes),
        temperature=temperature,
        scores=tuple(quantiles(scores).tolist()),
        atypicality=tuple(quantiles(outputs["atypicality"].astype(np.float64)).tolist()),
        by_label=tuple(LabelCalibration(rows=len(each), scores=tuple(quantiles(each).tolist())) for each in labels),
    )


def measure(outputs: Outputs, classes: Classes, temperature: float) -> dict[str, float]:
    """Return the number of test rows, their accuracy, and their `figures` after and `_before` calibration.

    The figures after calibration have their `intervals`, too.
    """
    logits = outputs["logits"].astype(np.float64)
    after, before = figures(logits, classes), figures(logits, classes, 1 / temperature)
    return {
        "test_rows": len(classes),
        "test_accuracy": float((logits.argmax(axis=1) == classes).mean()),
        **{f"test_{name}": value for name, value in after.items()},
        **{f"test_{name}_before": value for name, value in before.items()},
        **{f"test_{name}": value for name, value in intervals(logits, classes).items()},
    }


def intervals(logits: Floats, classes: Classes) -> dict[str, float]:
    """Return the ends, `_low` and `_high`, of the 95 % intervals of accuracy, loss and Brier score.

    A loss or score has none if the rows do not tell it. `ece_chance` is the range that chance alone gives the expected
    calibration error. Logits [n, k], classes [n].
    """
    softmax = Softmax(logits)
    right = logits.argmax(axis=1) == classes
    found = {
        "accuracy": share_by_chance(int(right.sum()), len(classes)),
        "loss": mean_by_chance(softmax.loss(classes)),
        "brier": mean_by_chance(brier_scores(softmax.probabilities, classes)),
        "ece_chance": error_by_chance(softmax.probabilities.max(axis=1), BINS),
    }
    ends = {name: interval for name, interval in found.items() if interval is not None}
    return {f"{name}_{end}": ends[name][place] for name in ends for place, end in enumerate(("low", "high"))}


def figures(logits: Floats, classes: Classes, temperature: float = 1.0) -> dict[str, float]:
    """Return the loss in nats, the Brier score (0 to 2) and the expected calibration error (0 to 1)."""
    softmax = Softmax(logits, temperature)
    return {
        "loss": float(softmax.loss(classes).mean()),
        "brier": float(brier_scores(softmax.probabilities, classes).mean()),
        "ece": calibration_error(reliability(softmax.probabilities, classes)),
    }


def brier_scores(probabilities: Floats, classes: Classes) -> Floats:
    """Return the squared distance [n], 0 to 2, between the probabilities [n, k] and the truth.

    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78, 1950.
    """
    scores: Floats = ((probabilities - one_hot(classes, probabilities.shape[1])) ** 2).sum(axis=1)
    return scores


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
    log_probabilities = log_softmax(logits)
    typical = calibration.typicality(outputs["atypicality"])
    sets = {
        by: tuple(covered(log_probabilities, classes, calibration, share, by) for share in COVERAGES)
        for by in get_args(CoverageBy)
    }
    return Evaluation(
        confusion=_confusion(logits, classes),
        reliability=reliability(Softmax(logits).probabilities, classes),
        reliability_before=reliability(before, classes),
        prediction_sets=sets["marginal"],
        prediction_sets_by_class=sets["class"],
        typicality=tuple(np.bincount(tenths(typical), minlength=TENTHS).tolist()),
    )


def _confusion(logits: Floats, classes: Classes) -> tuple[tuple[int, ...], ...]:
    """Return the number of rows by their true, then by their most probable class."""
    counts = np.zeros((logits.shape[1], logits.shape[1]), dtype=np.int64)
    np.add.at(counts, (classes, logits.argmax(axis=1)), 1)
    return tuple(map(tuple, counts.tolist()))


def covered(
    log_probabilities: Floats,
    classes: Classes,
    calibration: Calibration,
    coverage: float,
    by: CoverageBy = DEFAULT_COVERAGE_BY,
) -> Covered:
    """Return how often the prediction sets of rows [n, k] hold the true label, and their mean number of labels."""
    sets = calibration.prediction_sets(log_probabilities, coverage, by)
    held = sets[np.arange(len(classes)), classes]
    of_labels = [held[classes == index] for index in range(sets.shape[1])]
    return Covered(
        coverage=coverage,
        measured=float(held.mean()),
        labels=float(sets.sum(axis=1).mean()),
        by_label=tuple(float(each.mean()) if len(each) else None for each in of_labels),
    )


def tenths(values: Floats) -> Classes:
    """Return the tenth of (0, 1] that each value lies in, 0 to 9; its upper end belongs to it."""
    above = np.ceil(values * TENTHS) - 1
    return above.astype(np.int64)
