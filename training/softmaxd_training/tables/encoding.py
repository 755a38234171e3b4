"""Turns the cells of a table into numbers between 0 and 1, in NumPy and in a graph alike, to the last bit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from softmaxd.errors import Refused
from softmaxd.models.outputs import Array
from softmaxd_training.rows import Classes
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import Texts, Vocabulary

BINS = 16
FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """Numbers by pieces between quantiles, texts by category, and a flag where a value is missing.

    A number becomes one value for each piece between two neighbouring quantiles: 0 below it, 1 above it, and in between
    the share of the piece that it has passed (Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical
    features in tabular deep learning", NeurIPS 2022). Any finite or infinite number is thus encoded; a missing one is 0
    everywhere. A text becomes a 1 in the place of its category.

    Every encoded column varies in the training rows, so that none has a weight that was not trained: missing values and
    unknown texts have a place if training rows have them, else they are 0 in all places of their column.
    """

    number_columns: int  # a
    pieces: Classes  # [p]: the column of each piece
    edges: Array  # [p]: its lower end
    scales: Array  # [p]: 1 / its length
    flags: Classes  # [f]: the columns of numbers with missing ones
    vocabulary: Vocabulary
    places: Classes  # [h]: the number, in the vocabulary, of each place for a category
    owners: Classes  # [h]: its column of texts

    @classmethod
    def of(cls, numbers: Array, texts: Texts) -> "Encoder":
        """Fit it to the training rows: numbers [n, a] and texts [n, b]. Raises `Refused` if no column varies."""
        columns = [_edges(column) for column in numbers.T]
        lengths = [np.diff(edges.astype(np.float64)) for edges in columns]
        gaps = np.array([np.count_nonzero(np.isnan(column)) for column in numbers.T], np.int64)
        vocabulary = Vocabulary.of(texts)
        places, owners = _places(vocabulary, texts)
        found = cls(
            number_columns=numbers.shape[1],
            pieces=np.repeat(np.arange(len(columns)), [len(each) for each in lengths]),
            edges=_joined([edges[:-1] for edges in columns]),
            # A piece may be so short, or so long, that 1 / its length is no normal number of float32.
            scales=_joined([np.clip(1 / each, FLOAT32.tiny, FLOAT32.max) for each in lengths]),
            flags=np.flatnonzero((gaps > 0) & (gaps < len(numbers))),
            vocabulary=vocabulary,
            places=places,
            owners=owners,
        )
        if not found.width:
            raise Refused("no column of the table has different values: there is nothing to learn from")
        return found

    @property
    def categories(self) -> tuple[tuple[str, ...], ...]:
        """The categories of each column of texts, sorted."""
        return self.vocabulary.categories

    @property
    def width(self) -> int:
        """How many numbers a row becomes, D."""
        return len(self.pieces) + len(self.flags) + len(self.places)

    def ids(self, texts: Texts) -> Classes:
        """Return the numbers [n, b] of texts [n, b], as the vocabulary has them."""
        return self.vocabulary.ids(texts)

    def encode(self, numbers: Array, texts: Texts) -> Array:
        """Return float32 [n, D] for numbers [n, a] and texts [n, b]: pieces, then flags, then categories."""
        encoded = np.empty((len(numbers), self.width), np.float32)
        last = len(self.pieces) + len(self.flags)
        pieces = encoded[:, : len(self.pieces)]
        pieces[:] = numbers[:, self.pieces]
        with np.errstate(over="ignore"):  # far from all edges, where it is clipped
            pieces -= self.edges
            pieces *= self.scales
        np.clip(pieces, np.float32(0), np.float32(1), out=pieces)
        np.abs(pieces, out=pieces)
        pieces[np.isnan(pieces)] = 0
        encoded[:, len(self.pieces) : last] = np.isnan(numbers[:, self.flags])
        encoded[:, last:] = self.ids(texts)[:, self.owners] == self.places
        return encoded

    def draw(self, nodes: Nodes, numbers: str, ids: str, *, output: str) -> None:
        """Add the nodes that encode numbers [n, a] and the ids [n, b] of texts, as `encode` does."""
        parts = []
        if len(self.pieces):
            parts.append(self._draw_pieces(nodes, numbers))
        if len(self.flags):
            parts.append(draw_flags(nodes, numbers, self.flags))
        if len(self.places):
            parts.append(draw_places(nodes, ids, self.owners, self.places))
        nodes.add("Concat", *parts, output=output, axis=1)

    def _draw_pieces(self, nodes: Nodes, numbers: str) -> str:
        edges, scales = nodes.constant(self.edges), nodes.constant(self.scales)
        values = nodes.add("Gather", numbers, nodes.constant(self.pieces), axis=1)
        offsets = nodes.add("Sub", nodes.add("Where", nodes.add("IsNaN", values), edges, values), edges)
        limits = [nodes.constant(np.float32(limit)) for limit in (0, 1)]
        # Kernels of `Clip` differ in whether -0, of which an offset may be a tiny part, stays -0.
        return nodes.add("Abs", nodes.add("Clip", nodes.add("Mul", offsets, scales), *limits))


def _edges(column: Array) -> Array:
    """Return the ends of the pieces of a column [n], ascending; fewer than two if it has no two finite numbers."""
    values = column[np.isfinite(column)].astype(np.float64)
    different = np.unique(values)
    if len(different) > 2:  # noqa: PLR2004
        different = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))
    return np.unique(different.astype(np.float32))


def _joined(arrays: list[npt.NDArray[Any]]) -> Array:
    return np.concatenate([np.zeros(0), *arrays]).astype(np.float32)


def _places(vocabulary: Vocabulary, texts: Texts) -> tuple[Classes, Classes]:
    """Return the numbers that rows have, and their columns, of all columns with two or more different numbers."""
    counts = np.split(vocabulary.counts(texts), vocabulary.offsets[1:])
    found = [first + np.flatnonzero(each) for first, each in zip(vocabulary.offsets, counts, strict=False)]
    varied = {column: numbers for column, numbers in enumerate(found) if len(numbers) > 1}
    owners = [column for column, numbers in varied.items() for _ in numbers]
    return np.concatenate([np.zeros(0, np.int64), *varied.values()]), np.array(owners, np.int64)


def draw_flags(nodes: Nodes, numbers: str, flags: Classes) -> str:
    """Add the nodes of 1 for each missing number of the columns `flags` [f], and return their name: [n, a] → [n, f]."""
    is_missing = nodes.add("IsNaN", nodes.add("Gather", numbers, nodes.constant(flags), axis=1))
    return nodes.add("Cast", is_missing, to=TensorProto.FLOAT)


def draw_places(nodes: Nodes, ids: str, owners: Classes, places: Classes) -> str:
    """Add the nodes of 1 where the id of column `owners[i]` is `places[i]`, and return their name: [n, b] → [n, p]."""
    owned = nodes.add("Gather", ids, nodes.constant(owners), axis=1)
    is_here = nodes.add("Equal", owned, nodes.constant(places))
    return nodes.add("Cast", is_here, to=TensorProto.FLOAT)
