"""The parts of the example iris that `models/iris/1` was made from, as softmaxd 0.2 split the rows of a table."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

from softmaxd_training.examples import write_example
from softmaxd_training.rows import Classes, Parts, Rows


def write_iris(folder: Path) -> Path:
    """Write the example iris as a CSV file into a folder, and return its path."""
    path = folder / "iris.csv"
    with path.open("w", encoding="utf-8") as file:
        write_example("iris", file)
    return path


def parts_of_committed(seed: int) -> Parts:
    """Return half of the rows for training, a tenth for validation, and a fifth each for calibration and testing."""
    features, classes = load_iris(return_X_y=True)
    rows = Rows(features.astype(np.float32), classes.astype(np.int64))
    train, rest = _stratified(np.arange(len(rows)), rows.classes, 0.5, seed)
    validation, rest = _stratified(rest, rows.classes, 0.2, seed)
    calibration, test = _stratified(rest, rows.classes, 0.5, seed)
    return Parts(*(rows.chosen(part) for part in (train, validation, calibration, test)))


def _stratified(chosen: Classes, classes: Classes, share: float, seed: int) -> tuple[Classes, Classes]:
    first, second = train_test_split(chosen, train_size=share, stratify=classes[chosen], random_state=seed)
    return np.sort(first), np.sort(second)
