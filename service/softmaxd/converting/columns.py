"""Tells the type of each column that a fitted model of scikit-learn takes, which only its encoders know."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from softmaxd.converting.original import Values
from softmaxd.errors import Refused

BESIDE_TEXTS = (
    "it takes texts and numbers in columns without names: fit a pipeline with a ColumnTransformer on a table of pandas "
    "whose columns have texts as names"
)

Types = list[tuple[str, Any]]  # of skl2onnx: the name and the type of each input


def initial_types(model: Any, kind: Any) -> Types:
    """Return the inputs that a model has in ONNX: one for all columns, or one for each column of a table.

    Numbers have the type `kind` of skl2onnx; a column whose categories are texts or whole numbers has theirs, one of
    booleans whole numbers. A model whose first step chooses columns of a table has one input for each.
    """
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType  # noqa: PLC0415 - needed only here

    types = {"text": StringTensorType, "whole": Int64TensorType, "number": kind}
    kinds = ["number"] * model.n_features_in_
    for column, categories in _encoded(model):
        kinds[column] = _kind(categories)
    if not takes_table(model):
        if len({*kinds}) > 1 and "text" in kinds:
            raise Refused(BESIDE_TEXTS)
        return [("features", types[kinds[0]]([None, len(kinds)]))]
    names = model.feature_names_in_
    return [(str(names[column]), types[kinds[column]]([None, 1])) for column in columns_read(model)]


def takes_words(model: Any) -> bool:
    """Return whether the first step of a model splits one text per row into words, and takes no table."""
    return hasattr(_first_step(model), "vocabulary_")


def takes_table(model: Any) -> bool:
    """Return whether the first step of a model chooses columns of a table by their names."""
    return hasattr(model, "feature_names_in_") and hasattr(_first_step(model), "transformers_")


def columns_read(model: Any) -> list[int]:
    """Return the columns that a model reads: of a table, those that a transformer names; else all."""
    every = list(range(model.n_features_in_))
    if not takes_table(model):
        return every
    first = _first_step(model)
    parts = [part for part in first.transformers_ if part[1] != "drop"]
    if not all(isinstance(name, str) for _, _, names in parts for name in np.ravel(names).tolist()):
        return every  # the converter counts columns by number
    places = first._transformer_to_input_indices
    return sorted({column for label, _, _ in parts for column in places[label]})


def missing_texts(model: Any) -> Mapping[int, Mapping[str, Any]]:
    """Return the values that an encoder has for no text, NaN and None, by their text in ONNX, for each such column."""
    found = {}
    for column, categories in _encoded(model):
        values = [] if _kind(categories) != "text" else [value for value in categories if not isinstance(value, str)]
        if values:
            found[column] = {str(value): value for value in values}
    return found


def last_steps(model: Any) -> Iterator[Any]:
    """Yield a model, then the last step of a pipeline or the model that a search chose, and of that, and so on."""
    yield model
    inner = getattr(model, "best_estimator_", _steps(model)[-1])
    if inner is not model:
        yield from last_steps(inner)


def _first_step(model: Any) -> Any:
    """Return the first step of a pipeline, which a search or a calibration may have chosen, or the model itself."""
    inner = getattr(model, "best_estimator_", model)
    calibrated = getattr(inner, "calibrated_classifiers_", None)
    return _steps(calibrated[0].estimator if calibrated else inner)[0]


def _steps(model: Any) -> list[Any]:
    """Return the steps of a pipeline, or the model itself."""
    steps = getattr(model, "steps", None)
    return [step for _, step in steps] if steps else [model]


def _encoded(model: Any) -> Iterator[tuple[int, Values]]:
    """Yield each column that the first step of a model encodes, and its categories; words are no categories."""
    first = _first_step(model)
    if not hasattr(first, "transformers_"):
        yield from enumerate(_categories([first]))
        return
    places = first._transformer_to_input_indices
    for label, transformer, _ in first.transformers_:
        yield from zip(places[label], _categories(_steps(transformer)), strict=False)


def _categories(steps: list[Any]) -> list[Values]:
    """Return the categories that each column of an encoder has; nothing if no step is one."""
    for step in steps:
        if hasattr(step, "categories_"):
            return [np.asarray(categories) for categories in step.categories_]
        if hasattr(step, "vocabulary_"):
            return [np.array([], dtype=object)]
    return []


def _kind(categories: Values) -> str:
    if categories.dtype.kind in "iub":  # skl2onnx encodes no booleans
        return "whole"
    return "text" if categories.dtype.kind in "OUST" else "number"
