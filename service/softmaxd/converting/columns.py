"""Tells the type of each column that a fitted model of scikit-learn takes, which only its encoders know."""

from collections.abc import Iterator
from typing import Any

import numpy as np

Types = list[tuple[str, Any]]  # of skl2onnx: the name and the type of each input


def initial_types(model: Any, kind: Any) -> Types:
    """Return the inputs that a model has in ONNX: one for all columns, or one for each column of a table.

    Numbers have the type `kind` of skl2onnx; a column whose categories are texts or whole numbers has theirs. A model
    whose first step chooses columns of a table has one input for each.
    """
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType  # noqa: PLC0415 - needed only here

    types = {"text": StringTensorType, "whole": Int64TensorType, "number": kind}
    kinds = ["number"] * model.n_features_in_
    first = _steps(model)[0]
    for column, found in _encoded(first):
        kinds[column] = found
    names = getattr(model, "feature_names_in_", None)
    if names is None or not hasattr(first, "transformers_"):
        return [("features", types[kinds[0]]([None, len(kinds)]))]
    return [(str(name), types[each]([None, 1])) for name, each in zip(names, kinds, strict=True)]


def _steps(model: Any) -> list[Any]:
    """Return the steps of a pipeline, or the model itself."""
    steps = getattr(model, "steps", None)
    return [step for _, step in steps] if steps else [model]


def _encoded(first: Any) -> Iterator[tuple[int, str]]:
    """Yield each column that the first step of a model encodes, and the kind of its values."""
    if not hasattr(first, "transformers_"):
        yield from enumerate(_kinds([first]))
        return
    places = first._transformer_to_input_indices
    for label, transformer, _ in first.transformers_:
        yield from zip(places[label], _kinds(_steps(transformer)), strict=False)


def _kinds(steps: list[Any]) -> list[str]:
    """Return the kind of the values that each column of an encoder has; nothing if no step is one."""
    for step in steps:
        if hasattr(step, "categories_"):
            return [_kind(np.asarray(categories)) for categories in step.categories_]
        if hasattr(step, "vocabulary_"):
            return ["text"]
    return []


def _kind(categories: Any) -> str:
    if categories.dtype.kind in "iu":
        return "whole"
    return "text" if categories.dtype.kind in "OUST" else "number"
