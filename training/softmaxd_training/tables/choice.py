"""Chooses among models and means of them, by the loss of rows that they have not seen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize_scalar

from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import COLDEST, HOTTEST
from softmaxd_training.rows import Classes

DOUBT = 0.5  # standard deviation of ln T before any row is seen: T is likely between 0.4 and 2.7


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model, or the mean of several, with its loss of the rows left out, in nats.

    Its logits are those of its parts, each times its weight, added up and divided by the temperature.
    """

    name: str
    loss: float
    weights: Mapping[str, float]
    temperature: float

    def logits(self, parts: Mapping[str, Floats]) -> Floats:
        """Return its logits before the temperature, of those of the parts [n, k]."""
        return np.asarray(sum(weight * parts[name] for name, weight in self.weights.items()))


def candidates_of(parts: Mapping[str, Floats], classes: Classes) -> tuple[Candidate, ...]:
    """Return every part and every mean of parts as a candidate: logits [n, k] by name, of rows left out; classes [n].

    Parts come before means, and means of few parts before those of more. A mean is of the log-probabilities of its
    parts, each at its own temperature. Log-probabilities are logits less a number that is the same for each label of a
    row, and softmax does not see it, so logits are added up.
    """
    temperatures = {name: fit_careful_temperature(logits, classes) for name, logits in parts.items()}
    groups = [group for count in range(1, len(parts) + 1) for group in combinations(parts, count)]
    return tuple(_mean_of(group, parts, temperatures, classes) for group in groups)


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate with the lowest loss; of equals the first, which has the fewest parts."""
    return min(candidates, key=lambda candidate: candidate.loss)


def fit_careful_temperature(logits: Floats, classes: Classes) -> float:
    """Return the temperature with the lowest loss, and a doubt of temperatures far from 1: logits [n, k], classes [n].

    The doubt is the density of a normal ln T with the mean 0 and the standard deviation `DOUBT`. A few hundred rows
    outweigh it. A handful does not: without doubt, rows that are all right would have the lowest temperature there is.
    """

    def cost(logarithm: float) -> float:
        return _mean_loss(logits, classes, math.exp(logarithm)) + (logarithm / DOUBT) ** 2 / 2 / len(classes)

    found = minimize_scalar(cost, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return math.exp(float(found.x))


def _mean_of(
    group: tuple[str, ...], parts: Mapping[str, Floats], temperatures: Mapping[str, float], classes: Classes
) -> Candidate:
    """Return the mean of a group of parts; a part alone keeps its logits."""
    weights = {name: 1 / temperatures[name] / len(group) for name in group} if len(group) > 1 else {group[0]: 1.0}
    logits = np.asarray(sum(weight * parts[name] for name, weight in weights.items()))
    temperature = temperatures[group[0]] if len(group) == 1 else fit_careful_temperature(logits, classes)
    return Candidate(_joined(group), _mean_loss(logits, classes, temperature), weights, temperature)


def _joined(names: Sequence[str]) -> str:
    """Return "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _mean_loss(logits: Floats, classes: Classes, temperature: float) -> float:
    """Return the mean loss in nats. Its last digits matter less than its time: it is asked for some hundred times."""
    scaled = logits / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(classes)), classes]).mean())
