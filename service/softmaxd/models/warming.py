"""Runs a model before it serves: on rows as clients will send them, as far as its manifest tells."""

import math
import time
from typing import Any

import numpy as np

from softmaxd.errors import ModelError
from softmaxd.models.features import Feature
from softmaxd.models.manifest import OUTPUTS, Manifest
from softmaxd.models.outputs import Features
from softmaxd.models.rowwise import ROWS_TO_TRY
from softmaxd.models.tables import empty
from softmaxd.models.together import Run, reason
from softmaxd.numerics.softmax import Floats

WARM_UP_ROWS = (1, 64)
TRIALS = 5  # the fastest counts: a busy machine may make any one slow
TRIAL_SECONDS = 0.1  # after which no other one begins, for a model that takes long
SINGLE_ROWS = 16  # that are tried alone if no row of a batch has finite outputs


def warm_up(run: Run, manifest: Manifest) -> float:
    """Run the model as it will be run, and return the seconds that one row takes."""
    for rows in WARM_UP_ROWS:
        features = middle(manifest, rows)
        try:
            outputs = run(features)
        except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
            raise ModelError(f"ONNX Runtime cannot run {rows} rows: {reason(error)}") from error
        for name, values in outputs.items():
            if len(values) != rows:
                raise ModelError(f"it gives {len(values)} rows of {name} for {rows} rows")
    return fastest(run, middle(manifest, 1))


def fastest(run: Run, features: Features) -> float:
    """Return the seconds of the fastest of some runs of these features."""
    until = time.perf_counter() + TRIAL_SECONDS
    shortest = math.inf
    for _ in range(TRIALS):
        start = time.perf_counter()
        run(features)
        end = time.perf_counter()
        shortest = min(shortest, end - start)
        if end > until:
            break
    return shortest


def check_finite(run: Run, manifest: Manifest, rows: Features) -> None:
    """Refuse a model whose outputs are not finite, whichever rows are tried: every request would be refused."""
    positive = _positive(rows)  # where ranges are unknown, half of the numbers are negative, which a logarithm refuses
    tried = (middle(manifest, 1), rows, positive, *positive[:SINGLE_ROWS, None], *rows[:SINGLE_ROWS, None])
    if not any(_has_finite_row(run, each) for each in tried):
        raise ModelError("its outputs are not finite for any of the rows that were tried")


def _has_finite_row(run: Run, rows: Features) -> bool:
    try:
        outputs = run(rows)
    except Exception:  # one row that the model cannot run fails all of them
        return False
    finite = [np.isfinite(outputs[name]).all(axis=1) for name in OUTPUTS]
    return bool(np.logical_and.reduce(finite).any())


def rows_to_try(manifest: Manifest) -> Features:
    """Return rows in the ranges of the features, as far as known; every other one whole, for models that want that.

    Texts are of the categories that the graph knows. Every third row of a table has missing values where it may.
    """
    low = np.array([-1.0 if feature.min is None else feature.min for feature in manifest.columns])
    high = np.array([1.0 if feature.max is None else feature.max for feature in manifest.columns])
    generator = np.random.default_rng(0)
    if manifest.tensors:
        between = generator.uniform(size=(ROWS_TO_TRY, len(low)))
        return _table(manifest, _taken((1 - between) * low + between * high, manifest))
    tried = np.empty((ROWS_TO_TRY, len(low)), manifest.dtype)
    for index, row in enumerate(tried):  # one by one: an image has many numbers
        between = generator.uniform(size=len(low))
        numbers = (1 - between) * low + between * high
        row[:] = _fitted(np.rint(numbers) if index % 2 == 0 else numbers, manifest.dtype)
    return _taken(tried, manifest)


def middle(manifest: Manifest, rows: int) -> Features:
    """Return the middle of the ranges of the features, as many times."""
    numbers = np.array([[((feature.min or 0.0) + (feature.max or 0.0)) / 2 for feature in manifest.columns]])
    numbers = _taken(numbers, manifest)
    features = _table(manifest, numbers) if manifest.tensors else _fitted(numbers, manifest.dtype)
    return features.repeat(rows, axis=0)


def _taken(numbers: Features, manifest: Manifest) -> Features:
    """Return the numbers [n, features], with the nearest one that the graph takes where it takes only some."""
    for index, feature in enumerate(manifest.features):
        if feature.values:
            values = np.array(feature.values)
            nearest = np.abs(numbers[:, index, None] - values).argmin(axis=1)
            numbers[:, index] = values[nearest]
    return numbers


def _table(manifest: Manifest, numbers: Floats) -> Features:
    """Return rows of a table with these numbers [n, features], where features are numbers."""
    table, fields = empty(manifest, len(numbers))
    for tensor in manifest.tensors:
        for column, index in enumerate(tensor.columns):
            feature = manifest.features[index]
            fields[tensor.name][:, column] = _values(feature, tensor.dtype, numbers[:, index], index)
    return table


def _values(feature: Feature, dtype: np.dtype[Any], numbers: Floats, index: int) -> Features:
    """Return a value of a feature for each of the numbers."""
    rows = np.arange(len(numbers)) + index
    is_missing = (rows % 3 == 1) & feature.nullable
    if dtype.kind == "O":
        texts = feature.categories or (feature.missing,)
        chosen = [
            feature.missing if gone else texts[row % len(texts)] for row, gone in zip(rows, is_missing, strict=True)
        ]
        return np.array(chosen, dtype=object)
    if dtype.kind == "b":
        return np.array(rows % 2 == 1)
    is_whole = (rows % 2 == 0) & (not feature.values)
    values = _fitted(np.where(is_whole, np.rint(numbers), numbers), dtype)
    return np.where(is_missing, np.array(np.nan, dtype), values) if feature.nullable else values


def _positive(rows: Features) -> Features:
    """Return the rows with the sizes of their numbers."""
    if rows.dtype.names is None:
        return np.abs(rows)
    positive = rows.copy()
    for name in rows.dtype.names:
        if rows[name].dtype.kind in "fi":
            positive[name] = np.abs(rows[name])
    return positive


def _fitted(rows: Floats, dtype: np.dtype[Any]) -> Features:
    """Return the rows in a model's type; a number that the type cannot hold becomes the nearest or any other one."""
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        rows = np.rint(rows).clip(limits.min, limits.max)
    with np.errstate(over="ignore", invalid="ignore"):  # of ranges beyond the type
        return rows.astype(dtype)
