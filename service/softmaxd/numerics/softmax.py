"""Softmax, log-softmax, loss and entropy in float64.

Exponentials of the logits less their row's maximum, divided by their sum: P. Blanchard, D. J. Higham and N. J. Higham,
"Accurately computing the log-sum-exp and softmax functions", IMA J. Numer. Anal. 41 (2021), who also say why the
division is better than exp(x − logsumexp). The difference and its quotient by the temperature carry their rounding
error along: half a unit in the last place of −700 would be 256 of them in its exponential.

Inside, a matrix lies as [classes, rows], which is fast for many short rows. The order of each row's operations does not
depend on the rows beside it, so its answer does not either, down to the last bit.
"""

import math
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LARGEST = float(np.finfo(np.float64).max)
VANISHED = -800.0  # exp is 0 from −746 down
SPLITTER = 2.0**27 + 1  # halves the 53 bits of a float64 (Veltkamp)
FEW_CLASSES = 8  # one row of at most so many is far faster in Python's numbers


class Softmax:
    """softmax(logits / temperature) of each row, and the quantities that follow from it.

    `logits` [rows, classes] are finite, with at least one class; `temperature` is finite and > 0. Every answer is
    finite: a log-probability that float64 cannot hold becomes its lowest number.
    """

    def __init__(self, logits: Floats, temperature: float = 1.0) -> None:
        self._logits = logits
        self._temperature = temperature

    @property
    def probabilities(self) -> Floats:
        """[rows, classes]"""
        _, exponentials, total, _ = self._terms
        return np.ascontiguousarray((exponentials / total).T)

    @property
    def log_probabilities(self) -> Floats:
        """[rows, classes], in nats; finite also where the probability is too small for float64."""
        return np.ascontiguousarray(0.0 - self._surprisals.T)

    @property
    def entropy(self) -> Floats:
        """[rows], in nats."""
        _, exponentials, total, _ = self._terms
        high, low = _sum(self._surprisals * (exponentials / total))
        return high + low

    def loss(self, targets: npt.NDArray[np.intp]) -> Floats:
        """−log p of each row's target class [rows], in nats."""
        return self._surprisals[targets, np.arange(len(targets))]

    @cached_property
    def _surprisals(self) -> Floats:
        """−log p, [classes, rows]."""
        shifted, _, _, others = self._terms
        return np.minimum(np.log1p(others) - shifted, LARGEST)

    @cached_property
    def _terms(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The shifted logits, their exponentials, [classes, rows], and the sums of these: all, all but the maximum's.

        That one is 1, beside which small ones would vanish.
        """
        shifted, exponentials = _exponentials(np.ascontiguousarray(self._logits.T), self._temperature)
        high, low = _sum(exponentials)
        return shifted, exponentials, high + low, (high - 1.0) + low


def log_softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """[rows, classes], in nats."""
    return Softmax(logits, temperature).log_probabilities


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + exp(−value)) elementwise, without its overflow."""
    small = np.exp(-np.abs(values))
    return np.where(values < 0.0, small, 1.0) / (1.0 + small)


@np.errstate(over="ignore", invalid="ignore")
def _exponentials(logits: Floats, temperature: float) -> tuple[Floats, Floats]:
    """Return (logits − maximum) / temperature and its exponentials, [classes, rows].

    The temperature is a fraction times a power of two, by which numbers scale without rounding: down before the shift,
    up after it, so that a difference becomes −inf only if its quotient overflows.
    """
    fraction, exponent = math.frexp(temperature)  # the fraction is at least a half
    if 2.0 * fraction == 1.0:  # a power of two, whose quotients are exact
        fraction, exponent = 1.0, exponent - 1
    if exponent > 0:
        logits = np.ldexp(logits, -exponent)
    maximum = np.maximum.reduce(logits, axis=0)
    shifted = logits - maximum
    rounded = logits - shifted
    error = (logits - (shifted + rounded)) - (maximum - rounded)  # of the difference (Knuth's TwoSum)
    if exponent < 0:
        shifted, error = np.ldexp(shifted, -exponent), np.ldexp(error, -exponent)
    if fraction != 1.0:
        shifted, error = _divide(shifted, error, fraction)
    exponentials = np.exp(shifted)
    exponentials += np.where(shifted > VANISHED, exponentials * error, 0.0)  # the error of −inf is NaN
    return shifted, exponentials


def _divide(dividend: Floats, error: Floats, divisor: float) -> tuple[Floats, Floats]:
    """Return the quotient of dividend + error by divisor, and its rounding error: the remainder, divided (Dekker)."""
    high_divisor = SPLITTER * divisor - (SPLITTER * divisor - divisor)
    low_divisor = divisor - high_divisor
    quotient = dividend / divisor
    scaled = SPLITTER * quotient
    high = scaled - (scaled - quotient)
    remainder = dividend - high * high_divisor - (quotient - high) * high_divisor - quotient * low_divisor
    return quotient, (remainder + error) / divisor


def _sum(terms: Floats) -> tuple[Floats, Floats]:
    """Return the sum over the classes of terms in [0, 1] in two parts [rows], to be added last.

    The first sums multiples of one power of two, which is exact (Rump's extraction); the second sums the remainders.
    """
    grid = _grid(len(terms))
    high = (terms + grid) - grid
    return np.add.reduce(high, axis=0), np.add.accumulate(terms - high, axis=0)[-1]


def _grid(classes: int) -> float:
    return float(1 << (classes - 1).bit_length())


def softmax_of_few(logits: list[float]) -> list[float]:
    """Return the probabilities of one row by the same operations on Python's numbers: the same bits as `Softmax`."""
    maximum = max(logits)
    shifted = [logit - maximum for logit in logits]
    grid = _grid(len(logits))
    terms = []
    total_high = total_low = 0.0
    for logit, difference, term in zip(logits, shifted, np.exp(shifted).tolist(), strict=True):
        if difference > VANISHED:
            rounded = logit - difference
            error = (logit - (difference + rounded)) - (maximum - rounded)
            term += term * error  # noqa: PLW2901 - the term itself, corrected
        high = (term + grid) - grid
        total_high += high
        total_low += term - high
        terms.append(term)
    total = total_high + total_low
    return [term / total for term in terms]
