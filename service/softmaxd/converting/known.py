"""Tells the numbers and the texts that a fitted model of scikit-learn knows of its columns, to try it with them."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from softmaxd.converting.back import IDLE, Back, back_among, back_through, unchanged
from softmaxd.converting.original import Known, Values

NUMBERS = (
    "data_min_",
    "data_max_",
    "max_abs_",
    "statistics_",
    "quantiles_",
    "means_",
    "theta_",
    "bin_edges_",
    "support_vectors_",
    "_fit_X",
    "X_fit_",
)
SPREADS = {"mean_": "var_", "theta_": "var_", "center_": "scale_"}  # the middle of a column, and how far it spreads
MOST = 1000  # rows that a step has kept
NEAR = 10.0 ** -np.arange(8)  # shares of a middle whose spread no step knows, down to the digits of float32
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

    `read` are the columns of the features. The numbers that a step knows are taken back through the steps before it.
    """
    found: dict[int, tuple[list[Any], list[float]]] = {column: ([], []) for column in read}
    for step, columns, back in steps_of(model, list(range(model.n_features_in_))):
        for place, column in enumerate(columns):
            found.get(column, ([], []))[0].extend(_values(step, place))
        for rows in _rows(step):
            for column, numbers in enumerate(back(rows).T):
                found.get(column, ([], []))[1].extend(numbers[np.isfinite(numbers)].tolist())
    return list(found.values())


def steps_of(
    model: Any, columns: Sequence[int] = (), back: Back = unchanged
) -> Iterator[tuple[Any, Sequence[int], Back]]:
    """Yield each step of a model, the columns of the table that it gets as they are, and the way back from its rows."""
    if hasattr(model, "best_estimator_"):
        yield from steps_of(model.best_estimator_, columns, back)
    elif hasattr(model, "steps"):
        for _, step in model.steps:
            yield from steps_of(step, columns, back)
            columns = columns if hasattr(step, "statistics_") or step in IDLE else ()  # an imputer keeps the numbers
            back = back_through(step, back)
    else:
        yield model, columns, back
        for inner, places in _parts(model):
            own = back if places is None else back_among(places, model.n_features_in_, back)
            chosen = columns if places is None or not columns else [columns[place] for place in places]
            yield from steps_of(inner, chosen, own)


def _parts(model: Any) -> Iterator[tuple[Any, Sequence[int] | None]]:
    """Yield the models and the steps side by side in a model, and the columns that each gets; None for all."""
    for label, transformer, _ in getattr(model, "transformers_", ()):
        yield transformer, model._transformer_to_input_indices[label]
    for _, transformer in getattr(model, "transformer_list", ()):
        yield transformer, None
    for each in getattr(model, "calibrated_classifiers_", ()):
        yield each.estimator, None
    several = getattr(model, "estimators_", ())
    several = several.ravel().tolist() if isinstance(several, np.ndarray) else several
    yield from zip(several, getattr(model, "estimators_features_", [None] * len(several)), strict=True)


def _values(step: Any, place: int) -> Sequence[Any]:
    """Return the categories that a step has for one of its columns, or texts if it splits them into words."""
    if hasattr(step, "vocabulary_"):
        return _texts(step)
    values = np.asarray(step.categories_[place] if hasattr(step, "categories_") else ())
    if values.dtype.kind in "OUST":
        return [str(value) for value in values]
    return [float(value) for value in values if np.isfinite(value)]


def _rows(step: Any) -> Iterator[Values]:
    """Yield numbers of the range of a step, as rows of its columns."""
    for name in NUMBERS:
        yield from _numbers(step, name)
    for name, spread in SPREADS.items():
        sizes = _sizes(step, spread)
        for middle in _numbers(step, name):
            for share in NEAR if sizes is None else (1.0,):
                size = share * (np.abs(middle) if sizes is None else sizes)
                yield from (middle - size, middle + size)


def _sizes(step: Any, spread: str) -> Values | None:
    """Return how far the numbers of each column of a step lie from their middle; None if it does not know it."""
    found = next(_numbers(step, spread), None)
    if found is None and hasattr(step, "explained_variance_"):  # of the components of a PCA
        found = step.explained_variance_ @ step.components_**2
    return found if found is None or spread == "scale_" else 2 * np.sqrt(found)


def _numbers(step: Any, name: str) -> Iterator[Values]:
    """Yield an attribute of a step, as rows [n, columns], if it has numbers for each column."""
    values = getattr(step, name, None)
    if not isinstance(values, np.ndarray) or values.shape[-1:] != (getattr(step, "n_features_in_", 0),):
        return
    if values.dtype == object and isinstance(values[0], np.ndarray):  # each column has edges of its own
        values = np.array([*zip_longest(*values, fillvalue=np.nan)])
    if values.dtype.kind in "fiu":
        rows = np.atleast_2d(values).astype(np.float64)
        yield rows[:: -(-len(rows) // MOST)]


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
