"""Pipelines of tables that end with boosted trees of others, as joblib writes them."""

import io
import warnings
from collections.abc import Iterator

import catboost
import joblib
import lightgbm
import numpy as np
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from tests.support.exporting.export import Export
from tests.support.exporting.tables import MEMBER, NUMBERS, TEXTS, instances, people


def exports() -> Iterator[Export]:
    """Yield the pipelines, and their answers to rows with numbers that are missing; a boolean is 1 or 0 in a row."""
    warnings.simplefilter("ignore")  # of names that change
    rows, labels = people(400)
    rows, classes = rows[[*NUMBERS, *TEXTS, *MEMBER]], np.unique(labels, return_inverse=True)[1]
    encoded = [*TEXTS, *MEMBER]
    for name, classifier in (
        ("lightgbm", lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, random_state=0)),
        ("xgboost", xgboost.XGBClassifier(n_estimators=10, max_depth=3)),
        ("catboost", catboost.CatBoostClassifier(10, depth=3, verbose=False, allow_writing_files=False)),
    ):
        parts = [("numbers", "passthrough", NUMBERS), ("encoded", OneHotEncoder(handle_unknown="ignore"), encoded)]
        model = make_pipeline(ColumnTransformer(parts), classifier).fit(rows, classes)
        content, asked = io.BytesIO(), rows[::3]
        joblib.dump(model, content)
        answers = model.predict_proba(asked)
        yield Export(name, content.getvalue(), instances(asked.astype(dict.fromkeys(MEMBER, int))), answers)
    alone, content = catboost.CatBoostClassifier(10, verbose=False, allow_writing_files=False), io.BytesIO()
    joblib.dump(alone.fit(rows[NUMBERS], classes), content)
    yield Export("catboost-alone", content.getvalue(), [], [])
