"""Rows of a step go back through the steps before it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import RBFSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from softmaxd.converting.back import back_among, back_through, unchanged, undo

ROWS = np.array([[1e9, 0.0, 7.0], [1e9 + 100, 1.0, 8.0], [1e9 + 200, 2.0, 5.0], [1e9 + 300, 3.0, 5.0]])


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        MaxAbsScaler(),
        PCA(),
        FunctionTransformer(),
        VarianceThreshold(),
        SimpleImputer(),
        PolynomialFeatures(2),
        make_pipeline(SimpleImputer(), "passthrough", PolynomialFeatures(2), StandardScaler()),
        ColumnTransformer([("a", "passthrough", [2, 0]), ("b", StandardScaler(), [1])]),
    ],
)
def test_rows_behind_a_step_become_those_before_it(step: Any) -> None:
    behind = step.fit_transform(ROWS)

    assert np.allclose(undo(step, behind), ROWS, rtol=1e-12)


@pytest.mark.parametrize("step", [RBFSampler(random_state=0), OrdinalEncoder(), OneHotEncoder()])
def test_nothing_is_known_before_a_step_that_mixes_its_columns_or_makes_categories(step: Any) -> None:
    behind = step.fit_transform(ROWS)
    behind = behind.toarray() if hasattr(behind, "toarray") else behind

    before = undo(step, behind)

    assert before.shape == ROWS.shape
    assert np.isnan(before).all()


def test_texts_and_columns_that_are_dropped_are_not_known() -> None:
    table = pd.DataFrame({"job": ["cook", "nurse", "cook", "miner"], "time": ROWS[:, 0], "left": ROWS[:, 1]})
    parts = [("words", CountVectorizer(), "job"), ("kept", "passthrough", ["time"]), ("out", "drop", ["left"])]
    columns = ColumnTransformer(parts, sparse_threshold=0)

    before = undo(columns, columns.fit_transform(table))

    assert np.array_equal(before[:, 1], ROWS[:, 0])
    assert np.isnan(before[:, [0, 2]]).all()


def test_ways_back_go_through_several_steps_and_some_of_the_columns() -> None:
    step = MaxAbsScaler().fit(ROWS[:, [2, 1]])
    back = back_through(step, back_among([2, 1], 3, unchanged))

    before = back(np.array([[1.0, 0.5]]))

    assert np.array_equal(before, [[np.nan, 1.5, 8.0]], equal_nan=True)
