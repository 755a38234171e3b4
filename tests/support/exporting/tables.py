"""Tables with texts, booleans and missing values: pipelines of scikit-learn, and trees that know missing numbers."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from tests.support.exporting.export import Export
from tests.support.exporting.scikit_learn import register
from tests.support.exporting.trees import by_itself, by_onnxmltools

NUMBERS, TEXTS, MEMBER, NOTE = ["age", "income"], ["job", "city"], ["member"], "note"
KINDS = {
    **dict.fromkeys(NUMBERS, FloatTensorType),
    **dict.fromkeys([*TEXTS, NOTE], StringTensorType),
    **dict.fromkeys(MEMBER, BooleanTensorType),
}
WORDS = ["late", "paid", "call", "again", "never", "moved"]


def people(count: int) -> tuple[pandas.DataFrame, Any]:
    """Return rows, some of whose numbers are missing, and their labels."""
    draw = np.random.default_rng(0)
    rows = pandas.DataFrame(
        {
            "age": draw.integers(18, 80, count).astype(np.float32),
            "income": draw.normal(3000, 800, count).round().astype(np.float32),
            "job": draw.choice(["clerk", "nurse", "miner", "Köchin"], count).astype(object),
            "city": draw.choice(["Oslo", "Graz", "Bari"], count).astype(object),
            "member": draw.random(count) < 0.4,
            NOTE: [" ".join(draw.choice(WORDS, 4)) for _ in range(count)],
        }
    )
    rows[NOTE] = rows[NOTE].astype(object)
    scores = rows.income / 1000 + 2 * (rows.job == "nurse") + rows.member + rows[NOTE].str.contains("paid")
    labels = np.array(["basic", "silver", "gold"])[np.digitize(scores, [3.5, 5])]
    rows.loc[::7, "income"] = np.nan
    rows.loc[3::11, "age"] = np.nan
    return rows, labels


def pipelines() -> Iterator[tuple[str, list[str], Any]]:
    """Yield each name, the columns that it takes, and a classifier."""
    filled = ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS)
    ignoring = ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS)
    known = ("texts", OneHotEncoder(), TEXTS)
    if_exist = OneHotEncoder(handle_unknown="infrequent_if_exist")
    infrequent = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=100)
    ordinal = ("texts", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), TEXTS)
    regression = LogisticRegression(max_iter=5000)
    member = ("member", "passthrough", MEMBER)
    words = ("words", CountVectorizer(lowercase=False), NOTE)
    weights = ("words", TfidfVectorizer(lowercase=False), NOTE)
    median = ("numbers", SimpleImputer(strategy="median"), NUMBERS)
    light = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, random_state=0)
    for name, columns, parts, classifier in (
        ("ignoring", [*NUMBERS, *TEXTS], [filled, ignoring], regression),
        ("known", [*NUMBERS, *TEXTS], [filled, known], LogisticRegression(max_iter=5000)),
        ("member", [*NUMBERS, *TEXTS, *MEMBER], [filled, ignoring, member], LogisticRegression(max_iter=5000)),
        ("ordinal", [*NUMBERS, *TEXTS], [median, ordinal], ExtraTreesClassifier(10, max_depth=5, random_state=0)),
        ("boosting", [*NUMBERS, *TEXTS], [median, ordinal], GradientBoostingClassifier(n_estimators=10)),
        ("lightgbm", [*NUMBERS, *TEXTS], [("numbers", "passthrough", NUMBERS), ordinal], light),
        ("svc", [*NUMBERS, *TEXTS], [filled, ignoring], SVC(probability=True, random_state=0)),
        ("words", [*NUMBERS, NOTE], [filled, words], LogisticRegression(max_iter=5000)),
        ("weights", [*NUMBERS, NOTE], [filled, weights], LogisticRegression(max_iter=5000)),
        ("counts", [*TEXTS, NOTE], [ignoring, words], MultinomialNB()),
        ("if-exist", [*NUMBERS, *TEXTS], [filled, ("texts", if_exist, TEXTS)], regression),
        ("infrequent", [*NUMBERS, *TEXTS], [filled, ("texts", infrequent, TEXTS)], regression),
        ("infrequent-one", ["job"], [("texts", infrequent, ["job"])], regression),
        ("texts-filled", TEXTS, [("texts", SimpleImputer(strategy="most_frequent"), TEXTS)], regression),
    ):
        yield name, columns, make_pipeline(ColumnTransformer(parts), classifier)


def instances(rows: pandas.DataFrame) -> list[dict[str, object]]:
    """Return rows as a request has them."""
    records = rows.to_dict(orient="records")
    return [{name: None if _is_missing(value) else value for name, value in record.items()} for record in records]


def _is_missing(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def exports() -> Iterator[Export]:
    """Yield the pipelines, and boosted trees of numbers that may be missing."""
    warnings.simplefilter("ignore")  # of names that change
    register()
    rows, labels = people(400)
    for name, columns, classifier in pipelines():
        table, kinds = rows[columns], [(column, KINDS[column]([None, 1])) for column in columns]
        if name == "texts-filled":
            classifier.steps.insert(1, ("encoded", OneHotEncoder()))
        classifier.fit(table, labels)
        options, opsets = {id(classifier): {"zipmap": False}}, {"": 17, "ai.onnx.ml": 3}
        try:
            model = to_onnx(classifier, initial_types=kinds, options=options, target_opset=opsets)
        except Exception as error:  # of many classes
            yield Export(name, b"", [], [], failure=f"{error}: {error.__cause__}")
        else:
            asked = table[::3]
            yield Export(name, model.SerializeToString(), instances(asked), classifier.predict_proba(asked))
    yield from trees(rows, labels)


def trees(rows: pandas.DataFrame, labels: Any) -> Iterator[Export]:
    """Yield boosted trees that were trained with missing numbers, and those of CatBoost with texts."""
    numbers, classes = rows[NUMBERS].to_numpy(np.float32), np.unique(labels, return_inverse=True)[1]
    asked = [[None if math.isnan(value) else value for value in row] for row in numbers[::3].tolist()]
    quiet = {"verbose": False, "random_seed": 0, "allow_writing_files": False}
    for name, classifier in (
        ("lightgbm-missing", lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, random_state=0)),
        ("xgboost-missing", xgboost.XGBClassifier(n_estimators=10, max_depth=3)),
        ("catboost-missing", catboost.CatBoostClassifier(10, depth=3, **quiet)),
    ):
        classifier.fit(numbers, classes)
        kind = name.partition("-")[0]
        content = by_itself(classifier) if kind == "catboost" else by_onnxmltools(kind, classifier, numbers)
        yield Export(name, content, asked, classifier.predict_proba(numbers[::3]))
    texts = catboost.CatBoostClassifier(5, depth=3, cat_features=TEXTS, **quiet).fit(rows[TEXTS], labels)
    try:
        by_itself(texts)
    except catboost.CatBoostError as error:
        yield Export("catboost-texts", b"", [], [], failure=str(error))
