"""A fitted model knows the ranges, the categories and the words of its columns."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from softmaxd.converting.known import known

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
    ],
)
def test_the_range_of_a_column_is_that_of_the_first_step(model: Any) -> None:
    (values, numbers), (_, others) = known(model.fit(TIMES, CLASSES), [0, 1])

    assert not values
    assert near(numbers)
    assert -5 < min(others) < max(others) < 8


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
