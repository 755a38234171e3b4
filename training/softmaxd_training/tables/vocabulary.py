"""Numbers for the texts of a table: one for each category of a column, for its unknown texts and for missing ones."""

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd_training.rows import Classes
from softmaxd_training.tables.nodes import Nodes

LEAST_ROWS = 5  # with a text, for it to be a category; rarer texts count as unknown
MOST_CATEGORIES = 2_000  # of all columns together: each takes 2 kB of a graph, and its share of each epoch
BLOCK = 2**16  # rows that are numbered at a time
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The categories of each text column, sorted. They are numbered through all columns: 0, 1, …

    A column with c categories has c + 2 numbers: those of its categories, one for unknown texts, and one for "".
    """

    categories: tuple[tuple[str, ...], ...]
    left_out: int = 0  # texts that are no categories only because others are more frequent

    @classmethod
    def of(cls, texts: Texts) -> "Vocabulary":
        """Find the categories of texts [n, b]: the texts that `LEAST_ROWS` rows or more of a column have.

        Of more than `MOST_CATEGORIES` the most frequent ones are taken, whichever columns they are of.
        """
        counts = [Counter(column) for column in texts.T]
        found = [
            (-rows, place, text)
            for place, each in enumerate(counts)
            for text, rows in each.items()
            if text and rows >= LEAST_ROWS
        ]
        columns: list[list[str]] = [[] for _ in counts]
        for _, place, text in sorted(found)[:MOST_CATEGORIES]:
            columns[place].append(text)
        return cls(tuple(tuple(sorted(column)) for column in columns), max(0, len(found) - MOST_CATEGORIES))

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.categories)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many numbers each column has."""
        return tuple(len(column) + 2 for column in self.categories)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return sum(self.sizes)

    @property
    def offsets(self) -> tuple[int, ...]:
        """The first number of each column."""
        return tuple(accumulate(self.sizes, initial=0))[:-1]

    @property
    def unknown(self) -> Classes:
        """The numbers of the unknown texts of each column [b]."""
        return np.array([offset + size - 2 for offset, size in zip(self.offsets, self.sizes, strict=True)], np.int64)

    def ids(self, texts: Texts) -> Classes:
        """Return the numbers [n, b] of texts [n, b]."""
        found = np.empty(texts.shape, np.int64)
        columns = zip(self.categories, self.offsets, self.unknown.tolist(), strict=True)
        for place, (categories, offset, unknown) in enumerate(columns):
            numbers = {text: offset + index for index, text in enumerate(categories)} | {"": unknown + 1}
            found[:, place] = [numbers.get(text, unknown) for text in texts[:, place]]
        return found

    def counts(self, texts: Texts) -> Classes:
        """Return how often each number is among those of texts [n, b]; few rows are numbered at a time."""
        counts = np.zeros(self.size, np.int64)
        for start in range(0, len(texts), BLOCK):
            counts += np.bincount(self.ids(texts[start : start + BLOCK]).ravel(), minlength=self.size)
        return counts

    def draw(self, nodes: Nodes, texts: str) -> str:
        """Add the nodes that number texts [n, b], and return the name of their output, int64 [n, b].

        One encoder is faster than one for each column. It knows the column of a text by a prefix, such as "2|".
        """
        prefixes = np.array([[f"{place}|" for place in range(len(self.categories))]], object)
        keys, numbers = self._keys()
        encoder: dict[str, Any] = {"keys_strings": keys, "values_int64s": numbers, "default_int64": -1}
        encoded = nodes.add("LabelEncoder", nodes.add("StringConcat", nodes.constant(prefixes), texts), **encoder)
        is_unknown = nodes.add("Less", encoded, nodes.constant(np.int64(0)))
        return nodes.add("Where", is_unknown, nodes.constant(self.unknown[None]), encoded)

    def _keys(self) -> tuple[list[str], list[int]]:
        keys: list[str] = []
        numbers: list[int] = []
        for place, (categories, offset) in enumerate(zip(self.categories, self.offsets, strict=True)):
            keys += [f"{place}|{text}" for text in (*categories, "")]
            numbers += [*range(offset, offset + len(categories)), offset + len(categories) + 1]
        return keys, numbers
