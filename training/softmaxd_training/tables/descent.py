"""Eight networks learn at once, in NumPy: each from the rows of a batch that are not in the fold that it leaves out.

TensorFlow would take half a gigabyte of memory for the same, and on networks so small twice the time.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd_training.rows import Classes
from softmaxd_training.tables.folds import FOLDS

LEARNING_RATE = 0.002
DECAY = 0.02  # of all weights, in units of the learning rate
FIRST_MOMENT, SECOND_MOMENT = 0.9, 0.999  # how much of each stays in a step
LEAST_ROOT = 1e-7  # that a step is divided by, beside the root of the second moment
DROPPED = 26  # of 256: the share of hidden numbers that a step leaves out
BLOCK = 2**14  # weights that change at a time: their moments stay in the cache of the processor

Numbers = npt.NDArray[np.floating[Any]]  # float32; float64 where slopes are compared with differences


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The weights and biases of eight networks with two hidden layers of h units each: views of one array.

    `first` [D, 8h] and its biases [8h] have the networks side by side. `second` [8, h, h] and `last` [8, h, k], with
    biases [8, 1, h] and [8, 1, k], have them one after the other.
    """

    every: Numbers
    first: Numbers
    first_bias: Numbers
    second: Numbers
    second_bias: Numbers
    last: Numbers
    last_bias: Numbers

    @classmethod
    def zeros(cls, width: int, units: int, classes: int, kind: type[np.floating[Any]] = np.float32) -> "Weights":
        """Return weights of 0 for encoded rows [n, D] and k classes."""
        h, k = units, classes
        shapes = [(width, FOLDS * h), (FOLDS * h,), (FOLDS, h, h), (FOLDS, 1, h), (FOLDS, h, k), (FOLDS, 1, k)]
        sizes = [math.prod(shape) for shape in shapes]
        every = np.zeros(sum(sizes), kind)
        parts = np.split(every, np.cumsum(sizes)[:-1])
        return cls(every, *(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))

    @classmethod
    def drawn(cls, width: int, units: int, counts: Classes, chance: np.random.Generator) -> "Weights":
        """Return the weights before the first step, with the variance of K. He et al.; counts [k] are rows by class.

        "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification", ICCV 2015. The
        last biases begin as the shares of the classes, so that rare ones need not be unlearnt first.
        """
        found = cls.zeros(width, units, len(counts))
        for weights in (found.first, found.second, found.last):
            weights[:] = chance.standard_normal(weights.shape, np.float32) * math.sqrt(2 / weights.shape[-2])
        found.last_bias[:] = np.log(np.maximum(counts, 1) / counts.sum())
        return found

    @property
    def units(self) -> int:
        """The units of a hidden layer, h."""
        return int(self.second.shape[2])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Encoded rows [n, D], their classes [n], and 1 / n or 0 for each network that learns from a row or not [8, n, 1].

    `kept` [n, 8h] and [8, n, h] have a factor for each number of the hidden layers: 0 for those that are left out.
    """

    rows: Numbers
    classes: Classes
    shares: Numbers
    kept: tuple[Numbers, Numbers]

    @classmethod
    def of(cls, rows: Numbers, classes: Classes, folds: Classes, units: int, chance: np.random.Generator) -> "Batch":
        """Return a batch of rows in these folds [n], with a tenth of the hidden numbers left out by chance."""
        shares = (folds != np.arange(FOLDS)[:, None]) * np.float32(1 / len(rows))
        kept = _kept((len(rows), FOLDS * units), chance), _kept((FOLDS, len(rows), units), chance)
        return cls(rows, classes, shares[:, :, None], kept)


def _kept(shape: tuple[int, ...], chance: np.random.Generator) -> Numbers:
    """Return factors that leave out `DROPPED` of 256 numbers, and make up for it in the others.

    N. Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15, 2014.
    """
    found: Numbers = (chance.integers(256, size=shape, dtype=np.uint8) >= DROPPED) * np.float32(256 / (256 - DROPPED))
    return found


def gradient(weights: Weights, batch: Batch, found: Weights) -> None:
    """Write the gradient of the sum of the networks' mean losses, in nats, to `found`."""
    hidden = _rectified(batch.rows @ weights.first, weights.first_bias, batch.kept[0])
    by_network = hidden.reshape(len(hidden), FOLDS, weights.units).transpose(1, 0, 2)
    deeper = _rectified(by_network @ weights.second, weights.second_bias, batch.kept[1])
    errors = _errors(deeper @ weights.last + weights.last_bias, batch)
    np.matmul(deeper.transpose(0, 2, 1), errors, out=found.last)
    np.sum(errors, axis=1, keepdims=True, out=found.last_bias)
    slopes = errors @ weights.last.transpose(0, 2, 1)
    slopes *= batch.kept[1]
    slopes *= deeper > 0
    np.matmul(by_network.transpose(0, 2, 1), slopes, out=found.second)
    np.sum(slopes, axis=1, keepdims=True, out=found.second_bias)
    earlier = np.empty_like(hidden)
    beside = earlier.reshape(len(hidden), FOLDS, weights.units).transpose(1, 0, 2)
    np.matmul(slopes, weights.second.transpose(0, 2, 1), out=beside)
    earlier *= batch.kept[0]
    earlier *= hidden > 0
    np.matmul(batch.rows.T, earlier, out=found.first)
    np.sum(earlier, axis=0, out=found.first_bias)


def _rectified(values: Numbers, bias: Numbers, kept: Numbers) -> Numbers:
    """Return the numbers of a hidden layer, in the place of the products that they come from."""
    values += bias
    np.maximum(values, 0, out=values)
    values *= kept
    return values


def _errors(logits: Numbers, batch: Batch) -> Numbers:
    """Return the gradient of the losses by the logits [8, n, k], in their place."""
    logits -= logits.max(axis=2, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=2, keepdims=True)
    logits[:, np.arange(len(batch.classes)), batch.classes] -= 1
    logits *= batch.shares
    return logits


@dataclass(slots=True, eq=False)
class AdamW:
    """Moves weights [m] against gradients, by their first two moments.

    D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015; I. Loshchilov and F. Hutter,
    "Decoupled weight decay regularization", ICLR 2019.
    """

    weights: Numbers
    steps: int = 0
    _first: Numbers = field(init=False)
    _second: Numbers = field(init=False)

    def __post_init__(self) -> None:
        self._first, self._second = np.zeros_like(self.weights), np.zeros_like(self.weights)

    def step(self, gradient: Numbers) -> None:
        """Take one step. The gradient [m] is used up."""
        self.steps += 1
        rate = LEARNING_RATE * math.sqrt(1 - SECOND_MOMENT**self.steps) / (1 - FIRST_MOMENT**self.steps)
        for start in range(0, len(self.weights), BLOCK):
            block = slice(start, start + BLOCK)
            self._move(self.weights[block], self._first[block], self._second[block], gradient[block], rate)

    @staticmethod
    def _move(weights: Numbers, first: Numbers, second: Numbers, gradient: Numbers, rate: float) -> None:
        change = gradient * (1 - FIRST_MOMENT)
        first *= FIRST_MOMENT
        first += change
        gradient *= gradient
        gradient *= 1 - SECOND_MOMENT
        second *= SECOND_MOMENT
        second += gradient
        np.sqrt(second, out=change)
        change += LEAST_ROOT
        np.divide(first, change, out=change)
        change *= rate
        weights *= 1 - LEARNING_RATE * DECAY
        weights -= change
