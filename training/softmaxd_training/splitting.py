"""Splits the rows of a table into parts."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import train_test_split

from softmaxd.errors import Refused
from softmaxd.models.outputs import Array
from softmaxd_training.columns import quoted
from softmaxd_training.rows import LEAST_CALIBRATION_ROWS, Classes, Parts, Rows
from softmaxd_training.tablefile import Table

SPREADS = 1e-6, 1e18  # standard deviations that Keras' `Normalization` can divide by, in float32


def split(table: Table, seed: int) -> Parts:
    """Return half of the rows for training, a tenth for validation, and a fifth each for calibration and for testing.

    Each part has about the same share of every label. The same seed gives the same parts. Raises `Refused` if the
    rows are too few, or if a feature of the training rows cannot be standardised.
    """
    classes = table.rows.classes
    train, rest = _stratified(np.arange(len(classes)), classes, 0.5, seed)
    validation, rest = _stratified(rest, classes, 0.2, seed)
    calibration, test = _stratified(rest, classes, 0.5, seed)
    if len(calibration) < LEAST_CALIBRATION_ROWS:
        raise Refused(
            f"{len(classes)} rows are too few: {len(calibration)} of them would be for calibration,"
            f" and a coverage of 95 % needs {LEAST_CALIBRATION_ROWS}"
        )
    _check_spread(table.rows.features[train], table.names)
    return Parts(*(Rows(table.rows.features[part], classes[part]) for part in (train, validation, calibration, test)))


def _stratified(chosen: Classes, classes: Classes, share: float, seed: int) -> tuple[Classes, Classes]:
    """Return two parts of the chosen rows' indices, each with the same share of every class."""
    first, second = train_test_split(chosen, train_size=share, stratify=classes[chosen], random_state=seed)
    return np.sort(first), np.sort(second)


def _check_spread(features: Array, names: Sequence[str]) -> None:
    for name, spread in zip(names, features.std(axis=0, dtype=np.float64), strict=True):
        if spread == 0:
            raise Refused(f"column {quoted(name)} has the same value in every training row: remove it")
        if not SPREADS[0] <= spread <= SPREADS[1]:
            raise Refused(f"column {quoted(name)} has a standard deviation of {spread:.1e}: use another unit")
