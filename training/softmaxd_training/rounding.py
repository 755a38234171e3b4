"""How much two programs may differ that compute the same logits, one of them in float32."""

import math
from collections.abc import Mapping

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.manifest import LOGITS, PROBABILITIES
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax

ROUNDING = 2.0**-24  # to float32, relative: half a unit in the last place
ROUNDINGS = 16 * ROUNDING  # of the logits of a row, relative to the largest plus 1; of a probability
DEVIATIONS = 6  # of the sum of roundings; it is further from 0 once in 30 million times


def roundings(additions: int) -> float:
    """Return how far a sum in float32 of so many values may be from the exact one, relative to its largest partial sum.

    Each addition rounds once, up or down. The errors mostly cancel out: their sum grows with the square root of their
    number (N. J. Higham and T. Mary, "A new approach to probabilistic rounding error analysis", SIAM Journal on
    Scientific Computing 41, 2019). Few values may differ by `ROUNDINGS` like any logit.
    """
    return max(ROUNDINGS, DEVIATIONS * math.sqrt(additions) * ROUNDING)


def sizes(logits: Floats) -> Floats:
    """Return the largest logit of each row [n, 1], without its sign, for logits [n, k]."""
    largest: Floats = np.abs(logits).max(axis=1, keepdims=True)
    return largest


def logit_errors(logits: Floats) -> Floats:
    """Return how far each row of logits [n, k] may be from that of another program [n, 1].

    Two programs add the products of float32 in different orders, so their logits differ by some roundings of the
    largest.
    """
    return ROUNDINGS * (1 + sizes(logits))


def probability_tolerances(logits: Floats, errors: Floats | None = None) -> Floats:
    """Return how far each probability [n, k] may be from that of another program, for logits [n, k].

    `errors` [n, 1] are those of the logits, by default `logit_errors`. A probability p changes by p (d − Σ p d), where
    d are the changes of the logits: by at most 2 p (1 − p) times the largest, to the first order.
    """
    probabilities = Softmax(logits).probabilities
    errors = logit_errors(logits) if errors is None else errors
    tolerances: Floats = 2 * probabilities * (1 - probabilities) * errors + ROUNDINGS
    return tolerances


def check_outputs(outputs: Mapping[str, Array], logits: Floats, errors: Floats, *, program: str) -> float:
    """Return the largest difference in any probability between the outputs of a graph and the logits of a program.

    Logits [n, k], their errors [n, 1]. Raises `Refused` if a logit or a probability differs by more than its tolerance,
    or is not a number.
    """
    check_differences(outputs[LOGITS] - logits, errors, "a logit", program=program)
    differences = outputs[PROBABILITIES] - Softmax(logits).probabilities
    return check_differences(differences, probability_tolerances(logits, errors), "a probability", program=program)


def check_differences(differences: Floats, tolerances: Floats | float, output: str, *, program: str) -> float:
    """Return the largest difference, without its sign. Raises `Refused` if one is above its tolerance, or not a number.

    `output` names a value in the message, such as "a logit", and `program` the one that the graph is compared with.
    """
    differences = np.abs(differences)
    worst = np.unravel_index((differences / tolerances).argmax(), differences.shape)
    tolerance = np.broadcast_to(tolerances, differences.shape)[worst]
    if not differences[worst] <= tolerance:  # also if it is not a number
        raise Refused(
            f"{program} and ONNX Runtime differ by {differences[worst]:.1e} in {output}, more than the tolerance of "
            f"{tolerance:.0e}"
        )
    return float(differences.max())
