"""The features of a table's model, and rows in the form in which the service gives them to its graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from softmaxd.models.features import Feature
from softmaxd.models.outputs import Features
from softmaxd_training.frames.frame import Classes, Frame, FrameColumn, Numbers, Texts
from softmaxd_training.tables.graphs import NUMBERS, TEXTS, inputs_of


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some rows of a frame: numbers [n, a], texts [n, b], classes [n]."""

    numbers: Numbers
    texts: Texts
    classes: Classes

    @classmethod
    def of(cls, frame: Frame, places: Classes) -> "Part":
        """Return the rows of a frame at these places; of neighbours in their order, a view."""
        first = int(places[0]) if len(places) else 0
        are_neighbours = np.array_equal(places, np.arange(first, first + len(places)))
        return cls(frame.numbers, frame.texts, frame.classes).chosen(
            slice(first, first + len(places)) if are_neighbours else places
        )

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.classes)

    def chosen(self, places: Classes | slice) -> "Part":
        """Return the rows at these places."""
        return Part(self.numbers[places], self.texts[places], self.classes[places])


def features_of(frame: Frame, categories: Sequence[Sequence[str]], places: Classes) -> tuple[Feature, ...]:
    """Return the features in the order of the file: texts with their `categories`, numbers with their range.

    The range is that of the training rows, which are at these places.
    """
    used = [column for column in frame.columns if column.kind not in {"dropped", "target"}]
    return tuple(
        _text(column, frame, categories) if column.name in frame.text_names else _number(column, frame, places)
        for column in used
    )


def _text(column: FrameColumn, frame: Frame, categories: Sequence[Sequence[str]]) -> Feature:
    place = frame.text_names.index(column.name)
    return Feature(
        name=column.name,
        input=TEXTS,
        column=place,
        datatype="BYTES",
        nullable=column.nullable,
        categories=tuple(categories[place]),
    )


def _number(column: FrameColumn, frame: Frame, places: Classes) -> Feature:
    place = frame.number_names.index(column.name)
    values = frame.numbers[places, place]
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (None, None)
    found = Feature(name=column.name, min=low, max=high, nullable=column.nullable)
    if not frame.text_names:
        return found
    return found.model_copy(update={"input": NUMBERS, "column": place, "datatype": "FP32"})


def rows_of(part: Part) -> Features:
    """Return rows as the service has them: numbers [n, a], or, with texts, records with a field for each input."""
    if not part.texts.shape[1]:
        return part.numbers
    inputs = inputs_of(part.numbers, part.texts)
    rows = np.empty(len(part), [(name, cells.dtype, cells.shape[1:]) for name, cells in inputs.items()])
    for name, cells in inputs.items():
        rows[name] = cells
    return rows


def cells_of(rows: Features) -> tuple[Numbers, Texts]:
    """Return the numbers [n, a] and the texts [n, b] of such rows."""
    names = rows.dtype.names
    if names is None:
        return rows, np.empty((len(rows), 0), object)
    numbers = rows[NUMBERS] if NUMBERS in names else np.empty((len(rows), 0), np.float32)
    return numbers, rows[TEXTS]
