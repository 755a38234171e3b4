"""A fitted model knows the ranges, the categories and the words of its columns."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC

from softmaxd.converting.known import MOST, known

TIMES = np.array([[1e9, 0.0], [1e9 + 100, 1.0], [1e9 + 200, 2.0], [1e9 + 300, 3.0]])
CLASSES = [0, 1, 0, 1]
REGRESSION = LogisticRegression()


def near(numbers: Any) -> bool:
    """Return whether these are numbers like the times."""
    return len(numbers) > 1 and min(numbers) > 1e9 - 500 and max(numbers) < 1e9 + 800


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), REGRESSION),
        make_pipeline(StandardScaler(with_mean=False), REGRESSION),
        make_pipeline(SimpleImputer(), MinMaxScaler(), REGRESSION),
        make_pipeline(KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"), REGRESSION),
        GaussianNB(),
        GridSearchCV(make_pipeline(StandardScaler(), REGRESSION), {}, cv=2),
        CalibratedClassifierCV(make_pipeline(StandardScaler(), REGRESSION), cv=2),
        VotingClassifier([("a", make_pipeline(StandardScaler(), REGRESSION)), ("b", GaussianNB())], voting="soft"),
        make_pipeline(PCA(), REGRESSION),
        make_pipeline(MaxAbsScaler(), VarianceThreshold(), StandardScaler(), REGRESSION),
        make_pipeline(PolynomialFeatures(2), StandardScaler(), REGRESSION),
        make_pipeline(FeatureUnion([("a", StandardScaler())]), REGRESSION),
        make_pipeline(make_column_transformer(("passthrough", [0, 1])), StandardScaler(), REGRESSION),
        BaggingClassifier(make_pipeline(StandardScaler(), REGRESSION), 2, bootstrap=False),
        make_pipeline(KernelPCA(kernel="rbf"), REGRESSION),
        SVC(),
    ],
)
def test_the_range_of_a_column_is_that_of_the_first_step(model: Any) -> None:
    (values, numbers), (_, others) = known(model.fit(TIMES, CLASSES), [0, 1])

    assert not values
    assert near(numbers)
    assert -5 < min(others) < max(others) < 8


def test_a_model_of_some_columns_knows_only_these() -> None:
    one = BaggingClassifier(GaussianNB(), 1, max_features=1, bootstrap=False, random_state=0).fit(TIMES, CLASSES)
    ((chosen,),) = one.estimators_features_

    found = known(one, [0, 1])

    assert near(found[0][1]) == (chosen == 0)
    assert found[1 - chosen] == ([], [])


def test_an_imputer_of_texts_and_other_objects_knows_no_numbers() -> None:
    rows = np.array([["a", 1], ["b", 2], ["a", 1], [np.nan, 2]], dtype=object)
    imputer = SimpleImputer(strategy="most_frequent")

    found = known(make_pipeline(imputer, OneHotEncoder(), REGRESSION).fit(rows, CLASSES), [0, 1])

    assert found == [(["a", "b"], []), (["1", "2"], [])]


def test_the_spread_of_a_middle_is_tried_in_many_sizes_where_no_step_knows_it() -> None:
    model = make_pipeline(StandardScaler(with_std=False), REGRESSION).fit(TIMES, CLASSES)

    (_, numbers), _ = known(model, [0, 1])

    distances = np.abs(np.array(numbers) - TIMES[:, 0].mean())
    for size in (100, 1e4, 1e6, 1e8):
        assert np.any((distances > size / 2) & (distances < size * 20)), size


def test_of_many_rows_that_a_step_keeps_some_are_known() -> None:
    rows = np.arange(3000.0)[:, None]

    ((_, numbers),) = known(KNeighborsClassifier().fit(rows, rows[:, 0] > 1500), [0])

    assert MOST / 2 < len(numbers) <= MOST
    assert numbers[-1] > 2990


def test_nothing_is_known_of_a_column_behind_a_step_that_changes_it() -> None:
    model = make_pipeline(OrdinalEncoder(), StandardScaler(), REGRESSION).fit(TIMES, CLASSES)

    assert known(model, [1, 0]) == [([0, 1, 2, 3], []), (TIMES[:, 0].tolist(), [])]


def test_a_table_has_categories_texts_and_numbers() -> None:
    table = pd.DataFrame(
        {
            "time": TIMES[:, 0],
            "left": TIMES[:, 1],
            "size": [0.1, 0.2, np.nan, 0.1],
            "job": ["cook", "nurse", np.nan, "cook"],
            "note": ["das ist schön", "nicht schön", "gut das", "nicht gut"],
        }
    )
    columns = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["time"]),
            ("encoded", make_pipeline(OneHotEncoder()), ["size", "job"]),
            ("words", CountVectorizer(stop_words=["das"]), "note"),
        ]
    )
    model = make_pipeline(columns, REGRESSION).fit(table, CLASSES)

    time, size, job, (texts, numbers) = known(model, [0, 2, 3, 4])

    assert near(time[1])
    assert size == ([0.1, 0.2], [])
    assert job == (["cook", "nurse", "nan"], [])
    assert numbers == []
    assert "" in texts
    for part in ("schön", "SCHÖN", "Nicht", "das", "I", "über", "\n", "  "):
        assert any(part in str(text) for text in texts), part


def test_a_vectorizer_of_spaces_has_other_texts() -> None:
    columns = ColumnTransformer([("characters", CountVectorizer(analyzer="char", vocabulary=[" "]), "note")])
    table = pd.DataFrame({"note": ["a b", "ab", "a b", "b"]})
    model = make_pipeline(columns, REGRESSION).fit(table, CLASSES)

    ((texts, _),) = known(model, [0])

    assert any("über" in str(text) for text in texts)
