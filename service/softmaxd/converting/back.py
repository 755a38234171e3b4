"""Takes rows of a step of scikit-learn back through the steps before it: to rows as the model takes them."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from softmaxd.converting.original import Values

IDLE = (None, "passthrough")  # steps

Back = Callable[[Values], Values]  # from rows of a step to rows [n, width] of a model; NaN where nothing is known


def unchanged(rows: Values) -> Values:
    """Return rows of a model as they are: the way back from its first step."""
    return rows


def back_through(step: Any, back: Back) -> Back:
    """Return the way back from the rows behind a step; `back` is that from the rows before it."""
    return lambda rows: back(undo(step, rows))


def back_among(columns: Sequence[int], width: int, back: Back) -> Back:
    """Return the way back from some columns of a step's rows [n, width]."""
    return lambda rows: back(_among(columns, width, rows))


def undo(step: Any, rows: Values) -> Values:
    """Return the rows before a step for those behind it, NaN where they are not known."""
    if step in IDLE:
        return rows
    if hasattr(step, "steps"):
        for _, each in reversed(step.steps):
            rows = undo(each, rows)
        return rows
    if hasattr(step, "transformers_"):
        return _undo_parts(step, rows)
    for way in (_inverse, _undo_unchanged):
        with suppress(Exception), warnings.catch_warnings(action="ignore"):  # a library raises any class
            return way(step, rows)
    return _unknown(step, rows)


def _undo_parts(columns: Any, rows: Values) -> Values:
    """Return the rows before a ColumnTransformer."""
    before = _unknown(columns, rows)
    for label, transformer, _ in columns.transformers_:
        behind = rows[:, columns.output_indices_[label]]
        if behind.shape[1]:
            before[:, columns._transformer_to_input_indices[label]] = undo(transformer, behind)
    return before


def _inverse(step: Any, rows: Values) -> Values:
    """Return the numbers that a step has an inverse for; categories are known of the step itself."""
    if hasattr(step, "categories_"):
        return _unknown(step, rows)
    return np.asarray(step.inverse_transform(rows), dtype=np.float64)


def _undo_unchanged(step: Any, rows: Values) -> Values:
    """Return the columns that a step leaves as they are, as rows that go through it show."""
    tried = 1 + np.random.default_rng(0).random((2, step.n_features_in_))
    behind = step.transform(tried)
    behind = behind.toarray() if hasattr(behind, "toarray") else np.asarray(behind)
    places = {tuple(column): place for place, column in enumerate(tried.T.tolist())}
    before = _unknown(step, rows)
    for column, numbers in zip(behind.T.tolist(), rows.T, strict=True):
        if (place := places.get(tuple(column))) is not None:
            before[:, place] = numbers
    return before


def _among(columns: Sequence[int], width: int, rows: Values) -> Values:
    every = np.full((len(rows), width), np.nan)
    every[:, columns] = rows
    return every


def _unknown(step: Any, rows: Values) -> Values:
    return np.full((len(rows), getattr(step, "n_features_in_", 1)), np.nan)  # a vectorizer takes one column
