"""Tells the numbers and the texts that a fitted model of scikit-learn knows of its columns, to try it with them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from softmaxd.converting.original import Known

NUMBERS = (
    "data_min_",
    "data_max_",
    "max_abs_",
    "statistics_",
    "quantiles_",
    "means_",
    "theta_",
    "bin_edges_",
    "_fit_X",
)
SPREADS = {"mean_": "var_", "theta_": "var_", "center_": "scale_"}  # the middle of a column, and how far it spreads
TEXTS, WORDS = 200, 12  # texts for a vectorizer, and the most words of one
OTHERS = (
    "a",
    "I",
    "7",
    "2024",
    "x_1",
    "don't",
    "good-bye",
    "e.g.",
    "über",
    "Größe",
    "naïve",
    "École",
    "Ελλάδα",
    "中文",
)
BETWEEN = (" ", " ", " ", ", ", ". ", "  ", "\n", " (")


def known(model: Any, read: Sequence[int]) -> Known:
    """Return the categories of each feature, or texts of its words, and numbers of its range, as far as there are some.

    `read` are the columns of the features.
    """
    found: dict[int, tuple[list[Any], list[float]]] = {column: ([], []) for column in read}
    for step, columns in steps_of(model, list(range(model.n_features_in_))):
        for place, column in enumerate(columns):
            values, numbers = found.get(column, ([], []))
            values.extend(_values(step, place))
            numbers.extend(_numbers(step, place))
    return list(found.values())


def steps_of(model: Any, columns: Sequence[int]) -> Iterator[tuple[Any, Sequence[int]]]:
    """Yield each step of a model, and the columns of the table that it gets as they are."""
    if hasattr(model, "best_estimator_"):
        yield from steps_of(model.best_estimator_, columns)
    elif hasattr(model, "steps"):
        for _, step in model.steps:
            yield from steps_of(step, columns)
            columns = columns if hasattr(step, "statistics_") else ()  # an imputer keeps the numbers
    elif hasattr(model, "transformers_"):
        places = model._transformer_to_input_indices
        for label, transformer, _ in model.transformers_:
            yield from steps_of(transformer, [columns[place] for place in places[label]] if columns else ())
    else:
        yield model, columns
        calibrated = [each.estimator for each in getattr(model, "calibrated_classifiers_", ())]
        several = getattr(model, "estimators_", ())
        for inner in (*calibrated, *(several.ravel() if isinstance(several, np.ndarray) else several)):
            yield from steps_of(inner, columns)


def _values(step: Any, place: int) -> Sequence[Any]:
    """Return the categories that a step has for one of its columns, or texts if it splits them into words."""
    if hasattr(step, "vocabulary_"):
        return _texts(step)
    values = np.asarray(step.categories_[place] if hasattr(step, "categories_") else ())
    if values.dtype.kind in "OUST":
        return [str(value) for value in values]
    return [float(value) for value in values if np.isfinite(value)]


def _numbers(step: Any, place: int) -> Sequence[float]:
    """Return numbers of the range that a step has for one of its columns."""
    numbers = [number for name in NUMBERS for number in _column(step, name, place)]
    for name, spread in SPREADS.items():
        for number, size in zip(_column(step, name, place), _column(step, spread, place), strict=False):
            width = 2 * np.sqrt(size) if spread == "var_" else size
            numbers += [number - width, number + width]
    return [float(number) for number in numbers if np.isfinite(number)]


def _column(step: Any, name: str, place: int) -> Sequence[Any]:
    """Return the numbers that an attribute of a step has for one of its columns."""
    values = getattr(step, name, None)
    if not isinstance(values, np.ndarray) or values.shape[-1] <= place:
        return []
    numbers = np.hstack([*np.atleast_2d(values)[:, place]])
    return numbers.tolist() if numbers.dtype.kind in "fiu" else []


def _texts(vectorizer: Any) -> list[str]:
    """Return texts of the words that a vectorizer knows or leaves out, and of others, written in different ways."""
    generator = np.random.default_rng(0)
    words = sorted({word for text in vectorizer.vocabulary_ for word in text.split()})
    others = [*OTHERS, *sorted(vectorizer.get_stop_words() or ())]
    written = (str, str, str, str.upper, str.capitalize)

    def pick(values: Sequence[Any]) -> Any:
        return values[int(generator.integers(len(values)))]

    def text() -> str:
        count = int(generator.integers(1, WORDS + 1))
        parts = [pick(written)(pick(pick((words or others, words or others, others)))) for _ in range(count)]
        return "".join(f"{part}{pick(BETWEEN)}" for part in parts)

    return ["", *(text().strip() if number % 2 else text() for number in range(TEXTS))]
