"""Pickles and skops files become ONNX with skl2onnx, beside the model's own probabilities."""

import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import xgboost
from onnx import TensorProto
from onnxruntime import InferenceSession
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multiclass import OutputCodeClassifier
from sklearn.naive_bayes import CategoricalNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from softmaxd.converting.original import Original
from softmaxd.converting.scikit_learn import open_pickle, open_skops
from softmaxd.errors import Refused
from tests.support.pickles import pickle_calling

NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
ROWS, CLASSES = load_iris(return_X_y=True)
FLOWERS = pd.DataFrame(ROWS, columns=NAMES)


def opened(model: object, folder: Path) -> Original:
    joblib.dump(model, folder / "m.joblib")
    return open_pickle(folder / "m.joblib")


def test_a_classifier_is_converted_with_float32_and_with_float64_features(tmp_path: Path) -> None:
    original = opened(LogisticRegression(max_iter=1000).fit(ROWS, CLASSES), tmp_path)

    graphs = [onnx.load_model_from_string(content).graph for content in original.graphs]

    kinds = [graph.input[0].type.tensor_type.elem_type for graph in graphs]
    assert kinds == [TensorProto.FLOAT, TensorProto.DOUBLE]
    assert (original.features, original.notes) == (None, ())
    assert original.library.startswith("scikit-learn ")
    assert original.converter.startswith("skl2onnx ")


def test_trees_behind_float64_features_take_them_as_float32(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit(ROWS, CLASSES)

    graphs = [onnx.load_model_from_string(content).graph for content in opened(forest, tmp_path).graphs]

    operators = [[node.op_type for node in graph.node if node.op_type != "Cast"] for graph in graphs]
    casts = [sum(node.output[0] == "float32_0" for node in graph.node) for graph in graphs]
    assert casts == [0, 1, 0]
    assert operators[0] == operators[1] == operators[2]


def test_the_columns_of_a_table_name_the_features(tmp_path: Path) -> None:
    scaler = ColumnTransformer([("scaled", StandardScaler(), [0, 1, 2, 3])])
    model = make_pipeline(scaler, LogisticRegression()).fit(FLOWERS, CLASSES)

    original = opened(model, tmp_path)

    assert original.features == tuple(NAMES)
    assert np.array_equal(original.run({"features": ROWS}, ""), model.predict_proba(FLOWERS))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_without_pandas_rows_have_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LogisticRegression(max_iter=1000).fit(FLOWERS, CLASSES)
    original = opened(model, tmp_path)
    monkeypatch.setitem(sys.modules, "pandas", None)

    assert np.array_equal(original.run({"features": ROWS}, ""), model.predict_proba(ROWS))


def test_a_column_that_no_transformer_names_is_no_feature(tmp_path: Path) -> None:
    scaler = ColumnTransformer([("scaled", StandardScaler(), NAMES[1:3]), ("left", "drop", NAMES[:1])])
    model = make_pipeline(scaler, LogisticRegression()).fit(FLOWERS, CLASSES)

    original = opened(model, tmp_path)

    assert original.features == tuple(NAMES[1:3])
    inputs = onnx.load_model_from_string(next(original.graphs)).graph.input
    assert [value.name.replace("_", " ") for value in inputs] == NAMES[1:3]
    rows = {name: ROWS[:, [index]] for index, name in enumerate(NAMES) if index in {1, 2}}
    assert np.array_equal(original.run(rows, ""), model.predict_proba(FLOWERS))


def test_a_table_needs_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_pipeline(ColumnTransformer([("scaled", StandardScaler(), NAMES)]), LogisticRegression())
    model.fit(FLOWERS, CLASSES)
    monkeypatch.setitem(sys.modules, "pandas", None)

    with pytest.raises(Refused, match=r"^it needs pandas: .* -m pip install pandas$"):
        opened(model, tmp_path)


def test_the_text_of_a_missing_category_is_missing_for_the_library(tmp_path: Path) -> None:
    jobs = pd.DataFrame({"job": np.array(["cook", np.nan, "cook", "nurse"], dtype=object)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(jobs, [0, 1, 0, 1])

    found = opened(model, tmp_path).run({"features": np.array([["cook"], ["nan"], ["other"]])}, "")

    expected = model.predict_proba(pd.DataFrame({"job": np.array(["cook", np.nan, "other"], dtype=object)}))
    assert np.array_equal(found, expected)
    assert not np.array_equal(found[1], found[2])


def test_none_among_texts_is_a_category_of_its_own(tmp_path: Path) -> None:
    jobs = pd.DataFrame({"job": pd.Series(["cook", None, "cook", "nurse"], dtype=object)})
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(jobs, [0, 1, 0, 1])

    found = opened(model, tmp_path).run({"features": np.array([["cook"], ["None"], ["nurse"]])}, "")

    assert np.array_equal(found, model.predict_proba(jobs)[[0, 1, 3]])


@pytest.mark.parametrize("place", [0, 1])
def test_a_step_that_does_nothing_is_left_out(tmp_path: Path, place: int) -> None:
    steps: list[tuple[str, Any]] = [("scaled", StandardScaler()), ("fitted", LogisticRegression())]
    steps.insert(place, ("idle", "passthrough"))
    model = Pipeline(steps).fit(FLOWERS, CLASSES)

    original = opened(model, tmp_path)

    assert next(original.graphs)
    assert original.features == tuple(NAMES)
    assert np.array_equal(original.run({"features": ROWS}, ""), model.predict_proba(FLOWERS))


def test_a_classifier_with_a_threshold_gives_its_probabilities_and_a_note_on_the_label(tmp_path: Path) -> None:
    model = FixedThresholdClassifier(LogisticRegression(), threshold=0.8).fit(ROWS, CLASSES == 1)

    original = opened(model, tmp_path)

    assert next(original.graphs)
    assert np.array_equal(original.run({"features": ROWS}, ""), model.predict_proba(ROWS))
    assert original.notes == (
        "labels: the most probable one is served, whatever the threshold of the FixedThresholdClassifier is",
    )


def test_a_decision_function_is_that_of_its_classes(tmp_path: Path) -> None:
    three, two = LinearSVC().fit(ROWS, CLASSES), LinearSVC().fit(ROWS, CLASSES == 1)

    scores = three.decision_function(ROWS)
    assert np.array_equal(opened(three, tmp_path).run({"features": ROWS}, ""), scores)
    scores = two.decision_function(ROWS)
    assert np.array_equal(opened(two, tmp_path).run({"features": ROWS}, ""), np.stack([-scores, scores], axis=1))
    assert next(opened(two, tmp_path).graphs)


@pytest.mark.parametrize(("booster", "graphs"), [(xgboost.XGBClassifier, 3), (lightgbm.LGBMClassifier, 2)])
def test_boosted_trees_at_the_end_of_a_pipeline_have_the_names_that_they_were_fitted_with(
    tmp_path: Path, booster: Any, graphs: int
) -> None:
    scaler = ColumnTransformer([("scaled", StandardScaler(), NAMES)]).set_output(transform="pandas")
    model = make_pipeline(scaler, booster(n_estimators=2, n_jobs=1)).fit(FLOWERS, CLASSES)

    original = opened(model, tmp_path)

    assert original.converter.partition(" with ")[2].startswith("onnxmltools ")
    assert len(list(original.graphs)) == graphs  # one casts trees to float32, but those of LightGBM are exact
    rows = {name: ROWS[:, [index]] for index, name in enumerate(NAMES)}
    assert np.array_equal(original.run(rows, ""), model.predict_proba(FLOWERS))


def test_boosted_trees_of_categories_at_the_end_of_a_pipeline_are_refused(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1))
    model.fit(ROWS.round(), CLASSES, lgbmclassifier__categorical_feature=[1])

    with pytest.raises(Refused, match=r"^it has categories \(x1\), "):
        next(opened(model, tmp_path).graphs)


def test_boosted_trees_at_the_end_of_a_pipeline_need_onnxmltools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = GridSearchCV(xgboost.XGBClassifier(n_estimators=2, n_jobs=1), {}, cv=2).fit(ROWS, CLASSES)
    monkeypatch.setitem(sys.modules, "onnxmltools", None)

    with pytest.raises(Refused, match=r"^it needs onnxmltools: .* -m pip install onnxmltools$"):
        opened(model, tmp_path)


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LinearSVC()),
        make_pipeline(StandardScaler(), make_pipeline(LinearSVC())),
        GridSearchCV(make_pipeline(StandardScaler(), LinearSVC()), {}, cv=2),
        make_pipeline(StandardScaler(), GridSearchCV(make_pipeline(LinearSVC()), {}, cv=2)),
    ],
    ids=["pipeline", "nested", "search", "search inside"],
)
def test_a_decision_function_at_the_end_of_a_pipeline_is_converted(tmp_path: Path, model: Any) -> None:
    original = opened(model.fit(ROWS, CLASSES), tmp_path)

    session = InferenceSession(next(original.graphs))
    _, scores = session.run(None, {"features": ROWS.astype(np.float32)})

    assert np.allclose(scores, model.decision_function(ROWS), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            OutputCodeClassifier(LogisticRegression(max_iter=1000), random_state=0).fit(ROWS, CLASSES),
            "it has a OutputCodeClassifier, which gives no probabilities: take OneVsRestClassifier$",
        ),
        (FixedThresholdClassifier(LogisticRegression()), "it has a FixedThresholdClassifier, which is no fitted"),
        (
            DecisionTreeClassifier().fit(ROWS, 0 * CLASSES),
            "it has a DecisionTreeClassifier that knows only one class, 0: train it on two or more$",
        ),
        (
            make_pipeline(CategoricalNB()).fit(ROWS.astype(int), CLASSES),
            r"it has a CategoricalNB, whose ONNX file fails .*: take make_pipeline\(OneHotEncoder",
        ),
        (
            CalibratedClassifierCV(LogisticRegression(max_iter=1000), method="temperature").fit(ROWS, CLASSES),
            "skl2onnx cannot convert it: .*; take method='sigmoid', or train without it and add the model with --cal",
        ),
        (
            make_pipeline(
                ColumnTransformer([("number", StandardScaler(), [0]), ("text", OneHotEncoder(), [1])]),
                LogisticRegression(),
            ).fit(np.array([[1.0, "New, York"], [2.0, "Rome"]], dtype=object), [0, 1]),
            "it takes texts and numbers in columns without names: fit a pipeline with a ColumnTransformer",
        ),
        ({"a": 1}, "it has a dict, which is no fitted classifier of scikit-learn"),
        (LogisticRegression(), "it has a LogisticRegression, which is no fitted classifier"),
        (LinearRegression().fit(ROWS, CLASSES), "it has a LinearRegression, which is no fitted classifier"),
        (
            make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=1000)).fit(ROWS, CLASSES),
            "skl2onnx cannot convert it",
        ),
        (
            CalibratedClassifierCV(make_pipeline(StandardScaler(), LinearSVC())).fit(ROWS, CLASSES),
            r"convert it: Option 'zipmap' .*; calibrate the last step of the pipeline, not the pipeline: make_pipeline",
        ),
        (
            make_pipeline(
                ColumnTransformer(
                    [("town", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["town"])]
                ),
                LogisticRegression(),
            ).fit(pd.DataFrame({"town": ["York", None, "Rome"]}), [0, 1, 0]),
            r"convert it: .* missing values are string .*; leave the SimpleImputer of texts out: ",
        ),
        (
            VotingClassifier([("a", LogisticRegression(max_iter=1000))]).fit(ROWS, CLASSES),
            r"^it has a VotingClassifier with voting='hard', which gives no probabilities: ",
        ),
        (
            make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["one two", "two three"], [0, 1]),
            r"it has a Pipeline that takes texts, and no table: fit make_pipeline\(ColumnTransformer\(",
        ),
        (
            make_pipeline(HashingVectorizer(), LogisticRegression()).fit(["one two", "two three"], [0, 1]),
            "it has a Pipeline that does not say how many features it takes",
        ),
    ],
)
def test_another_model_is_refused(tmp_path: Path, model: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        next(opened(model, tmp_path).graphs)


@pytest.mark.parametrize(
    ("model", "library"),
    [(xgboost.XGBClassifier(n_estimators=2), "XGBoost"), (lightgbm.LGBMClassifier(n_estimators=2), "LightGBM")],
)
def test_a_classifier_of_another_library_is_converted_by_its_own_converter(
    tmp_path: Path, model: Any, library: str
) -> None:
    original = opened(model.fit(ROWS, CLASSES), tmp_path)

    assert original.library.partition(" ")[0] == library
    assert original.converter.startswith("onnxmltools ")


def test_a_missing_package_of_the_pickle_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"cno_such_package.models\nModel\n.")

    with pytest.raises(Refused, match=r"^it cannot be unpickled: it needs the package of the module no_such_package$"):
        open_pickle(tmp_path / "m.pkl")


def test_an_older_version_is_noted(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, CLASSES)
    version = model.__getstate__()["_sklearn_version"].encode()
    content = pickle.dumps(model)
    assert content.count(version) == 1
    (tmp_path / "m.pkl").write_bytes(content.replace(version, b"0.1.2"[: len(version)]))

    original = open_pickle(tmp_path / "m.pkl")

    assert original.notes == ("made by scikit-learn 0.1.2, opened by another version",)


def test_a_skops_file_of_trusted_types_is_opened(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, CLASSES)
    skops.io.dump(model, tmp_path / "m.skops")

    assert np.array_equal(open_skops(tmp_path / "m.skops").run({"features": ROWS}, ""), model.predict_proba(ROWS))


def test_a_skops_file_of_other_types_is_refused_with_their_names(tmp_path: Path) -> None:
    model = make_pipeline(FunctionTransformer(pickle_calling), LogisticRegression())
    skops.io.dump(model, tmp_path / "m.skops")

    reason = (
        r"^it has types that skops does not trust: tests\.support\.pickles\.pickle_calling; if the file is your own, "
        r"export the model to ONNX, or save it with joblib\.dump for --trust-pickle$"
    )
    with pytest.raises(Refused, match=reason):
        open_skops(tmp_path / "m.skops")


def test_a_broken_skops_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.skops").write_bytes(b"PK\x03\x04")

    with pytest.raises(Refused, match=r"^skops cannot load it: "):
        open_skops(tmp_path / "m.skops")
