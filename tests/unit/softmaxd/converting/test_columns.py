"""The inputs of a converted model have the types of the columns that its encoders know."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from skl2onnx.common.data_types import FloatTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from softmaxd.converting.columns import columns_read, initial_types, missing_texts, takes_table

PEOPLE = pd.DataFrame(
    {
        "age": [20.0, 30, 40, 50],
        "job": ["cook", "nurse", "pilot", "cook"],
        "level": [0, 1, 2, 1],
        "member": [True, False, False, True],
        "note": list("abcd"),
    }
)
CLASSES = [0, 1, 0, 1]
TABLE = ColumnTransformer(
    [
        ("scaled", StandardScaler(), ["age"]),
        ("encoded", make_pipeline(OneHotEncoder(handle_unknown="ignore")), ["job"]),
        ("ordered", OrdinalEncoder(), ["level"]),
    ],
    remainder="drop",
)


def types(model: Any) -> list[tuple[str, str, list[int | None]]]:
    return [(name, type(kind).__name__, kind.shape) for name, kind in initial_types(model, FloatTensorType)]


def test_each_column_of_a_table_is_an_input() -> None:
    model = make_pipeline(TABLE, LogisticRegression()).fit(PEOPLE[["age", "job", "level"]], CLASSES)

    assert types(model) == [
        ("age", "FloatTensorType", [None, 1]),
        ("job", "StringTensorType", [None, 1]),
        ("level", "Int64TensorType", [None, 1]),
    ]


def test_columns_by_number_are_all_read() -> None:
    table = ColumnTransformer([("scaled", StandardScaler(), [0])])
    model = make_pipeline(table, LogisticRegression()).fit(PEOPLE[["age", "level"]], CLASSES)

    assert columns_read(model) == [0, 1]


def test_words_are_text() -> None:
    words = ColumnTransformer([("words", TfidfVectorizer(analyzer="char"), "note")], remainder="passthrough")
    model = make_pipeline(words, LogisticRegression()).fit(PEOPLE[["age", "note"]], CLASSES)

    assert types(model) == [("age", "FloatTensorType", [None, 1]), ("note", "StringTensorType", [None, 1])]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("job", "StringTensorType"),
        ("level", "Int64TensorType"),
        ("member", "Int64TensorType"),
        ("age", "FloatTensorType"),
    ],
)
def test_columns_that_are_all_encoded_are_one_input(column: str, kind: str) -> None:
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(PEOPLE[[column]], CLASSES)

    assert types(model) == [("features", kind, [None, 1])]


def test_columns_without_names_are_one_input() -> None:
    scaled = ColumnTransformer([("scaled", StandardScaler(), [0, 1])])
    model = make_pipeline(scaled, LogisticRegression()).fit(np.eye(2), [0, 1])

    assert types(model) == [("features", "FloatTensorType", [None, 2])]


def test_a_model_without_a_pipeline_has_one_input() -> None:
    model = LogisticRegression().fit(PEOPLE[["age", "level"]], CLASSES)

    assert types(model) == [("features", "FloatTensorType", [None, 2])]


@pytest.mark.parametrize(
    "around",
    [lambda model: GridSearchCV(model, {}, cv=2), lambda model: CalibratedClassifierCV(model, cv=2)],
    ids=["search", "calibration"],
)
def test_the_columns_are_those_of_the_model_in_a_search_or_a_calibration(around: Any) -> None:
    words = ColumnTransformer([("encoded", OneHotEncoder(handle_unknown="ignore"), ["job"])], remainder="passthrough")
    model = around(make_pipeline(words, LogisticRegression())).fit(PEOPLE[["age", "job"]], CLASSES)

    assert takes_table(model)
    assert types(model) == [("age", "FloatTensorType", [None, 1]), ("job", "StringTensorType", [None, 1])]


def test_the_categories_for_no_text_are_told_by_their_text() -> None:
    jobs = pd.DataFrame(
        {"job": ["cook", np.nan, "cook", "nurse"], "level": [0, 1, 2, 1], "team": ["a", None, "b", "a"]}
    )
    model = OneHotEncoder().fit(jobs.astype({"job": object, "team": object}))

    found = missing_texts(model)

    assert found.keys() == {0, 2}
    assert np.isnan(found[0]["nan"])
    assert set(found[2]) <= {"None", "nan"}
