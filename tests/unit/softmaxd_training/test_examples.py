"""The examples are scikit-learn's data sets, as tables that can be trained on."""

import io
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from softmaxd_training.examples import TARGETS, write_example
from softmaxd_training.splitting import split
from softmaxd_training.tablefile import read_table


@pytest.mark.parametrize("name", TARGETS)
def test_an_example_is_the_data_set_and_can_be_split(name: str, tmp_path: Path) -> None:
    text = io.StringIO()
    write_example(name, text)
    (tmp_path / "table.csv").write_text(text.getvalue())
    features, classes = getattr(datasets, f"load_{name}")(return_X_y=True)

    table = read_table(tmp_path / "table.csv", TARGETS[name])

    names = getattr(datasets, f"load_{name}")().target_names
    assert np.array_equal(table.rows.features, features.astype(np.float32))
    assert [table.labels[index] for index in table.rows.classes] == names[classes].tolist()
    assert len(split(table, 0).calibration) >= 19


def test_the_columns_of_iris_are_named_without_their_unit() -> None:
    text = io.StringIO()

    write_example("iris", text)

    assert text.getvalue().partition("\n")[0] == "sepal_length,sepal_width,petal_length,petal_width,species"
