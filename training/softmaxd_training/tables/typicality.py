"""The distance of a row of a table from all training rows, in NumPy and in a graph alike."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from softmaxd.models.manifest import ATYPICALITY
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.atypicality import BLOCK, LARGEST, Atypicality
from softmaxd_training.rounding import check_differences, roundings
from softmaxd_training.rows import Classes, Rows
from softmaxd_training.strange import auroc, shifted, shuffled
from softmaxd_training.tables.encoding import Encoder, draw_flags, draw_places
from softmaxd_training.tables.folds import FOLDS, deal, draw
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import Texts, Vocabulary

WIDEST = 1_024  # numbers of a row; the whitening of so many takes 4 MiB
FITTED = 2**23  # numbers of the rows that the covariance is estimated from, at most: 64 MiB
LEAST_FITTED = 2_000  # of these rows

POINTS = 1_000  # training rows that a row is compared with, at most
WIDEST_NEAR = 256  # numbers of a row; the points of wider ones would take more than 1 MiB, and longer than the model
PAYS = 0.02  # of the mean AUROC, by which the nearest row has to be better than the nearest class mean
TRIED = 4_000  # rows, of which a quarter judges the two
JUDGING = FOLDS // 4


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The numbers of a row that tell how strange it is: its numbers, flags of missing ones, and flags of categories.

    A missing number counts as the mean. An unknown text has none of the flags of its column, which makes its row
    strange. Of a table with more columns than `WIDEST`, the rarest categories count as unknown, and the last columns of
    numbers are left out.
    """

    columns: Classes  # [a]: of numbers
    means: Array  # [a]: of the numbers that are not missing
    flags: Classes  # [f]: the columns of numbers with missing ones
    places: Classes  # [h]: the number, in the vocabulary, of each flag for a category
    owners: Classes  # [h]: its column of texts
    vocabulary: Vocabulary

    @classmethod
    def of(cls, numbers: Array, texts: Texts, encoder: Encoder) -> "Values":
        """Fit them to the training rows: numbers [n, a], texts [n, b], and the encoder of these."""
        columns = np.arange(min(numbers.shape[1], WIDEST))
        flags = encoder.flags[: WIDEST - len(columns)]
        kept = _most_frequent(encoder, texts, WIDEST - len(columns) - len(flags))
        means = np.array([_mean(column) for column in numbers[:, :WIDEST].T], np.float32)
        return cls(columns, means, flags, encoder.places[kept], encoder.owners[kept], encoder.vocabulary)

    @property
    def width(self) -> int:
        """How many numbers a row has, d."""
        return len(self.columns) + len(self.flags) + len(self.places)

    def __call__(self, numbers: Array, texts: Texts) -> Array:
        """Return float32 [n, d] for numbers [n, a] and texts [n, b]."""
        chosen = numbers[:, self.columns]
        filled = np.where(np.isnan(chosen), self.means, chosen)
        known = self.vocabulary.ids(texts)[:, self.owners] == self.places
        return np.concatenate([filled, np.isnan(numbers[:, self.flags]), known], axis=1, dtype=np.float32)

    def draw(self, nodes: Nodes, numbers: str, ids: str) -> str:
        """Add the nodes that give these values of numbers [n, a] and the ids [n, b] of texts, and return their name."""
        parts = []
        if len(self.columns):
            chosen = nodes.add("Gather", numbers, nodes.constant(self.columns), axis=1)
            parts.append(nodes.add("Where", nodes.add("IsNaN", chosen), _float(nodes, self.means), chosen))
        if len(self.flags):
            parts.append(draw_flags(nodes, numbers, self.flags))
        if len(self.places):
            parts.append(draw_places(nodes, ids, self.owners, self.places))
        return nodes.add("Concat", *parts, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class TableTypicality:
    """The `Atypicality` of a table's rows, by their `Values`."""

    values: Values
    distance: Atypicality
    points: int  # training rows that a row is compared with, which are in the graph; 0: it is compared with class means

    @classmethod
    def of(
        cls, numbers: Array, texts: Texts, classes: Classes, encoder: Encoder, *, points: int = 0
    ) -> "TableTypicality":
        """Fit it to the training rows: numbers [n, a], texts [n, b], classes [n]; to some of them if they are many.

        The distance is that to the nearest class mean, or else to the nearest of so many training rows.
        """
        values = Values.of(numbers, texts, encoder)
        return cls(values, Atypicality.of(typical_rows(values, numbers, texts, classes), points=points), points)

    def other_points(self, rows: int) -> int:
        """Return the `points` of the distance that was not taken for so many training rows; 0 if there is no other."""
        return 0 if self.points else most_points(self.values, rows)

    def distances(self, numbers: Array, texts: Texts) -> Floats:
        """Return the distances [n] of numbers [n, a] and texts [n, b] in float64, at most `LARGEST`."""
        return np.minimum(self.distance(self.values(numbers, texts)), LARGEST)

    def draw(self, nodes: Nodes, numbers: str, ids: str) -> None:
        """Add the nodes that give the output `atypicality` [n] of numbers [n, a] and the ids [n, b] of texts.

        |w − m|² is |w|² + (|m|² − 2w·m), which needs no tensor [n, classes, d]. Where it overflows it is `LARGEST`;
        where rounding makes it negative, it is 0.
        """
        whitening, means = self.distance.whitening, self.distance.means
        centred = nodes.add("Sub", self.values.draw(nodes, numbers, ids), _float(nodes, self.distance.centre))
        whitened = nodes.add("MatMul", centred, _float(nodes, whitening))
        products = nodes.add("MatMul", whitened, _float(nodes, -2 * means.T))
        axes = nodes.constant(np.array([1]))
        offsets = nodes.add("Add", products, _float(nodes, (means**2).sum(axis=1)))
        least = nodes.add("ReduceMin", offsets, axes, keepdims=0)
        distance = nodes.add("Add", nodes.add("ReduceSumSquare", whitened, axes, keepdims=0), least)
        positive, largest = nodes.add("Max", distance, _float(nodes, np.zeros(1))), _float(nodes, np.array([LARGEST]))
        nodes.add("Where", nodes.add("Less", positive, largest), positive, largest, output=ATYPICALITY)

    def check(self, found: Array, numbers: Array, texts: Texts) -> None:
        """Raise `Refused` if atypicalities [n] of a graph differ from these by more than roundings can explain.

        A whitened number is a sum of products, and its error is some roundings of their root mean square; a distance
        adds up products of such numbers and the means.
        """
        for start in range(0, len(found), BLOCK):
            block = slice(start, start + BLOCK)
            self._check(found[block], numbers[block], texts[block])

    def _check(self, found: Array, numbers: Array, texts: Texts) -> None:
        centred = self.values(numbers, texts).astype(np.float64) - self.distance.centre
        sizes = np.sqrt(centred**2 @ self.distance.whitening**2) + np.abs(self.distance.means).max(axis=0)
        tolerances = 4 * roundings(len(self.distance.centre)) * (1 + (sizes**2).sum(axis=1))
        differences = found.astype(np.float64) - self.distances(numbers, texts)
        check_differences(differences, tolerances, "an atypicality", program="Python")


def typical_rows(values: Values, numbers: Array, texts: Texts, classes: Classes) -> Rows:
    """Return the values [m, d] of the training rows that means and covariance come from, with their classes."""
    places = draw(classes, max(LEAST_FITTED, FITTED // values.width), seed=0)
    return Rows(values(numbers[places], texts[places]), classes[places])


def most_points(values: Values, rows: int) -> int:
    """Return how many of so many training rows a row may be compared with; 0 if that would take too long.

    Models that have not seen an eighth of the rows have as many.
    """
    return min(POINTS, rows * (FOLDS - 1) // FOLDS) if values.width <= WIDEST_NEAR else 0


def points_that_pay(numbers: Array, texts: Texts, classes: Classes, encoder: Encoder) -> int:
    """Return the `points` of the better typicality for training rows: numbers [n, a], texts [n, b], classes [n].

    A quarter of some of the rows judges, after a fit to the others. Strange rows are made of it: shuffled ones, shifted
    ones, and those of each of some classes that a fit has left out. The nearest row is taken if its mean AUROC is
    higher by `PAYS`; then the points are as many as `most_points` allows, else 0.
    """
    places = draw(classes, TRIED, seed=0)
    numbers, texts, known = numbers[places], texts[places], classes[places]
    values = Values.of(numbers, texts, encoder)
    if not most_points(values, len(classes)):
        return 0
    judges = deal(known, seed=0) < JUDGING
    rows = Rows(values(numbers, texts), known)
    fitted, asked = rows.chosen(np.flatnonzero(~judges)), rows.chosen(np.flatnonzero(judges))
    cells = numbers[judges], texts[judges]
    strange = [values(shuffled(cells[0]), shuffled(cells[1])), values(shifted(cells[0]), cells[1])]
    better = [_better(fitted, asked.features, each) for each in strange if not np.array_equal(each, asked.features)]
    if parts := list(_without_classes(fitted, asked)):
        better.append(sum(parts) / len(parts))
    pays = bool(better) and sum(better) / len(better) >= PAYS
    return most_points(values, len(classes)) if pays else 0


def _without_classes(fitted: Rows, asked: Rows) -> Iterator[float]:
    """Yield `_better` for each eighth of the classes as strange ones, or for each class if they are few."""
    for group in range(FOLDS):
        seen, left = fitted.classes % FOLDS != group, asked.classes % FOLDS == group
        if seen.any() and not seen.all() and left.any() and not left.all():
            yield _better(fitted.chosen(np.flatnonzero(seen)), asked.features[~left], asked.features[left])


def _better(fitted: Rows, ordinary: Array, strange: Array) -> float:
    """Return by how much the AUROC of the nearest row is higher than that of the nearest class mean."""
    means = Atypicality.of(fitted)
    near = means.near(fitted, POINTS)
    return auroc(near(ordinary), near(strange)) - auroc(means(ordinary), means(strange))


def _most_frequent(encoder: Encoder, texts: Texts, most: int) -> Classes:
    """Return the places of at most so many categories among the encoded ones, ascending: the most frequent ones."""
    if len(encoder.places) <= most:
        return np.arange(len(encoder.places))
    counts = encoder.vocabulary.counts(texts)
    return np.sort(np.argsort(-counts[encoder.places], kind="stable")[:most])


def _mean(column: Array) -> float:
    """Return the mean of the finite numbers of a column [n], 0 if there are none."""
    finite = column[np.isfinite(column)]
    return float(finite.mean(dtype=np.float64)) if len(finite) else 0.0


def _float(nodes: Nodes, values: Array | Floats) -> str:
    return nodes.constant(values.astype(np.float32))
