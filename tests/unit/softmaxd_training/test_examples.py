"""The examples are scikit-learn's data sets, as tables that can be trained on."""

import io
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from softmaxd_training.examples import TARGETS, write_example
from softmaxd_training.frames.columns import frame_of
from softmaxd_training.frames.decisions import ColumnOptions
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.reading import read
from softmaxd_training.splitting import split


@pytest.mark.parametrize("name", TARGETS)
def test_an_example_is_the_data_set_and_can_be_split(name: str, tmp_path: Path) -> None:
    text = io.StringIO()
    write_example(name, text)
    (tmp_path / "table.csv").write_text(text.getvalue())
    features, classes = getattr(datasets, f"load_{name}")(return_X_y=True)

    frame = frame_of(read(tmp_path / "table.csv", ReadOptions()), ColumnOptions(TARGETS[name]))

    names = getattr(datasets, f"load_{name}")().target_names
    assert np.array_equal(frame.numbers, features.astype(np.float32))
    assert [frame.labels[index] for index in frame.classes] == names[classes].tolist()
    assert len(split(frame.classes, 0).test) >= 30


def test_the_columns_of_iris_are_named_without_their_unit() -> None:
    text = io.StringIO()

    write_example("iris", text)

    assert text.getvalue().partition("\n")[0] == "sepal_length,sepal_width,petal_length,petal_width,species"
