"""Any file becomes a model that can be published, with notes on its conversion, or is refused."""

import hashlib
import pickle
import subprocess
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import xgboost
from sklearn.base import BaseEstimator, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from softmaxd.adding.add import Prepared
from softmaxd.converting.original import Values
from softmaxd.converting.prepare import _digest, opened
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from tests.support.onnx_graphs import logits_only
from tests.support.pickles import pickle_calling

NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = np.array(["setosa", "versicolor", "virginica"])
ROWS, CLASSES = load_iris(return_X_y=True)


def prepare(file: Path, *, trust_pickle: bool = False, **options: Any) -> Prepared:
    with opened(file, trust_pickle=trust_pickle) as prepared:
        return prepared(**options)


def pickled(model: object, folder: Path) -> Path:
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    return folder / "m.pkl"


def test_an_onnx_file_is_prepared_as_it_is(tmp_path: Path) -> None:
    onnx.save(logits_only(), tmp_path / "m.onnx")

    prepared = prepare(tmp_path / "m.onnx", name="m", features=["a", "b"])

    assert prepared.manifest.notes[0].startswith("made from m.onnx, by an unknown exporter, ")
    assert not [note for note in prepared.manifest.notes if note.startswith("checked")]


def test_without_trust_a_pickle_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(Path.touch, tmp_path / "opened"))

    with pytest.raises(Refused) as refused:
        prepare(tmp_path / "m.pkl", name="m")

    assert str(refused.value).startswith(f"{tmp_path / 'm.pkl'}: it is a pickle, which runs any code ")
    assert "--trust-pickle" in str(refused.value)
    assert not (tmp_path / "opened").exists()


def test_with_trust_the_code_in_a_pickle_runs(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(Path.touch, tmp_path / "opened"))

    with pytest.raises(Refused, match=r"it has a NoneType"):
        prepare(tmp_path / "m.pkl", name="m", trust_pickle=True)

    assert (tmp_path / "opened").exists()


def test_the_notes_name_the_file_the_converter_and_the_difference(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(pd.DataFrame(ROWS, columns=NAMES), SPECIES[CLASSES])

    manifest = prepare(pickled(model, tmp_path), name="m", trust_pickle=True).manifest

    first, *_, last = manifest.notes
    digest = hashlib.sha256((tmp_path / "m.pkl").read_bytes()).hexdigest()
    assert first.startswith("made from m.pkl of scikit-learn ")
    assert first.endswith(f", SHA-256 {digest}")
    assert ", by skl2onnx " in first
    assert last.startswith("checked: 322 rows against scikit-learn ")
    assert manifest.labels == tuple(SPECIES)
    assert [feature.name for feature in manifest.features] == NAMES


def test_given_names_of_features_come_first(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(pd.DataFrame(ROWS, columns=NAMES), CLASSES)

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True, features=list("abcd"))

    assert [feature.name for feature in prepared.manifest.features] == list("abcd")


@pytest.mark.parametrize(
    "trees", [RandomForestClassifier(20, random_state=0), GradientBoostingClassifier(n_estimators=20, random_state=0)]
)
def test_features_are_float64_where_float32_would_take_other_branches(tmp_path: Path, trees: BaseEstimator) -> None:
    """Near 1,000,000, float32 numbers are 1/16 apart, and the petals are measured in tenths."""
    rows = ROWS + 1e6
    model = make_pipeline(StandardScaler(), trees).fit(rows, CLASSES == 1)

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    *_, checked, float32 = prepared.manifest.notes
    assert prepared.manifest.datatype == "FP64"
    assert checked.startswith("checked: 452 rows against scikit-learn ")
    assert float32.startswith("not as float32: the ONNX file that skl2onnx ")
    served = Engine(prepared.content, device="cpu").run(rows)["probabilities"]
    assert np.allclose(served, model.predict_proba(rows), atol=1e-6)


def test_a_mean_that_is_imputed_has_all_digits_for_the_trees_behind_a_scaler(tmp_path: Path) -> None:
    """It is exactly 0 there, and these trees ask whether a number is less than 0."""
    rows = np.array([[0.6], [0.65], [np.nan], [0.75], [0.8]] * 20)  # 0.7 is more than its float32
    model = make_pipeline(SimpleImputer(), StandardScaler(), xgboost.XGBClassifier(n_estimators=3, n_jobs=1))
    model.fit(rows, np.isnan(rows[:, 0]).astype(int))

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    assert prepared.manifest.datatype == "FP64"
    assert prepared.manifest.features[0].nullable


@pytest.mark.parametrize("steps", [(SimpleImputer(), StandardScaler()), (StandardScaler(), SimpleImputer())])
def test_features_of_trees_behind_an_imputer_and_a_scaler_are_float64_too(
    tmp_path: Path, steps: tuple[BaseEstimator, ...]
) -> None:
    rows = ROWS + 1e6
    rows[::7, 1] = np.nan
    model = make_pipeline(*steps, RandomForestClassifier(5, random_state=0)).fit(rows, CLASSES == 1)

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    assert prepared.manifest.datatype == "FP64"
    assert prepared.manifest.features[1].nullable
    served = Engine(prepared.content, device="cpu").run(rows)["probabilities"]
    assert np.allclose(served, model.predict_proba(rows), atol=1e-6)


@pytest.mark.parametrize(
    "booster",
    [
        lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbose=-1),
        xgboost.XGBClassifier(n_estimators=10, n_jobs=1),
        xgboost.XGBRFClassifier(n_estimators=10, n_jobs=1),
    ],
    ids=["LightGBM", "XGBoost", "forest"],
)
@pytest.mark.parametrize("classes", [CLASSES, CLASSES == 1], ids=["three", "two"])
def test_boosted_trees_behind_a_scaler_take_the_branches_of_their_library(
    tmp_path: Path, booster: BaseEstimator, classes: Values
) -> None:
    """Rows are tried at the thresholds, so features are float64: the scaler rounds float32 numbers to other sides."""
    model = make_pipeline(StandardScaler(), clone(booster)).fit(ROWS, classes.astype(int))

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    assert prepared.manifest.datatype == "FP64"
    served = Engine(prepared.content, device="cpu").run(ROWS)["probabilities"]
    assert np.allclose(served, model.predict_proba(ROWS), atol=1e-6)


TIMES = 1.7e9 + np.arange(3600.0).reshape(-1, 1)[::6]
LATE = TIMES[:, 0] % 600 > 300
TENTHS = np.array([0.1, 0.2, 0.3, 0.7, 1.1, 2.2] * 20).reshape(-1, 1)
POLYNOMIAL = make_pipeline(MinMaxScaler(), PolynomialFeatures(2), LogisticRegression(C=100))
BINS = make_pipeline(KBinsDiscretizer(10, encode="onehot-dense", strategy="uniform"), LogisticRegression(C=10))


@pytest.mark.parametrize(
    ("model", "rows", "classes", "cured", "nearer"),
    [
        (POLYNOMIAL, TIMES, TIMES[:, 0] > 1.7e9 + 1800, POLYNOMIAL, TIMES - 1.7e9),
        (BINS, TENTHS, TENTHS[:, 0] == 0.3, DecisionTreeClassifier(random_state=0), TENTHS),
    ],
    ids=["seconds", "bins"],
)
def test_numbers_of_more_digits_than_float32_has_are_refused_with_a_cure(
    tmp_path: Path, model: BaseEstimator, rows: Values, classes: Values, cured: BaseEstimator, nearer: Values
) -> None:
    """ONNX Runtime runs neither as float64: skl2onnx mixes types there."""
    file = pickled(clone(model).fit(rows, classes), tmp_path)

    with pytest.raises(Refused, match=r"more digits than float32 has, .*: train it on numbers nearer to 0 .* trees in"):
        prepare(file, name="m", trust_pickle=True)

    other = clone(cured).fit(nearer, classes)
    served = answers(prepare(pickled(other, tmp_path), name="m", trust_pickle=True), nearer)
    assert np.allclose(served, other.predict_proba(nearer), atol=1e-5)


def test_rows_of_the_user_are_compared_with_all_their_digits(tmp_path: Path) -> None:
    seconds = 1.7e9 + np.arange(60)[:, None] * 86_413.0
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    model.coef_, model.intercept_ = np.array([[1e-6]]), np.array([-1.7e9 * 1e-6 - 2])  # float32 has steps of 128 s
    file = pickled(model, tmp_path)

    alone = prepare(file, trust_pickle=True, name="m")
    prepared = prepare(file, trust_pickle=True, name="m", given=seconds)

    assert (alone.manifest.datatype, prepared.manifest.datatype) == ("FP32", "FP64")
    assert np.abs(answers(prepared, seconds) - model.predict_proba(seconds)).max() < 1e-6
    notes = prepared.manifest.notes
    assert [note for note in notes if note.startswith("checked: 60 rows of yours against scikit-learn ")]
    assert [note for note in notes if note.startswith("not as float32: ")]


def answers(prepared: Prepared, rows: Values) -> Values:
    return Engine(prepared.content, device="cpu").run(rows.astype(prepared.manifest.dtype))["probabilities"]


def test_a_file_of_lightgbm_has_float64_features_where_float32_would_take_other_branches(tmp_path: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(TIMES, LATE)
    model.booster_.save_model(tmp_path / "m.txt")

    prepared = prepare(tmp_path / "m.txt", name="m")

    assert prepared.manifest.notes[-1].startswith("not as float32: ")
    assert prepared.manifest.notes[-1].endswith("Its numbers need more digits than float32 has")
    assert np.allclose(answers(prepared, TIMES), model.predict_proba(TIMES), atol=1e-5)


SPACED = {"token_pattern": r"\S+"}
WORDS = ["not", "good", "a", "I", "movie", "schön", "über", "müde"]


def notes_of_words(vectorizer: BaseEstimator) -> tuple[pd.DataFrame, Any]:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"note": [" ".join(draw.choice(WORDS, 5)) for _ in range(200)]})
    model = make_pipeline(ColumnTransformer([("words", vectorizer, "note")]), LogisticRegression(C=10))
    return table, model.fit(table, table.note.str.contains("not good|schön"))


@pytest.mark.parametrize(
    "vectorizer",
    [
        TfidfVectorizer(),
        TfidfVectorizer(lowercase=False, ngram_range=(1, 2)),
        CountVectorizer(**{"token_pattern": r"(?u)\b\w+\b"}),
        CountVectorizer(**SPACED, ngram_range=(1, 2)),
    ],
)
def test_texts_are_split_where_scikit_learn_splits_them(tmp_path: Path, vectorizer: BaseEstimator) -> None:
    table, model = notes_of_words(vectorizer)

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    served = Engine(prepared.content, device="cpu").run_inputs({"features": table.to_numpy(object)})
    assert np.allclose(served["probabilities"], model.predict_proba(table), atol=1e-5)


@pytest.mark.parametrize(
    "vectorizer",
    [
        CountVectorizer(**SPACED, stop_words=["a"], ngram_range=(1, 2)),
        CountVectorizer(analyzer="char", ngram_range=(1, 2)),
    ],
)
def test_texts_that_onnx_splits_at_other_places_are_refused_with_a_cure(
    tmp_path: Path, vectorizer: BaseEstimator
) -> None:
    _, model = notes_of_words(vectorizer)

    with pytest.raises(Refused, match=r"differs from scikit-learn .*token_pattern=r'\\S\+', without stop_words"):
        prepare(pickled(model, tmp_path), name="m", trust_pickle=True)


def test_rows_without_a_number_that_may_be_missing_are_checked_too(tmp_path: Path) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(ROWS, CLASSES)

    manifest = prepare(pickled(model, tmp_path), name="m", trust_pickle=True).manifest

    assert all(feature.nullable for feature in manifest.features)
    assert manifest.notes[-2].startswith(f"checked: {2 * 130 + 256 + 3 * 4} rows against LightGBM ")


@pytest.mark.parametrize(
    ("steps", "names", "words"),
    [
        ((PowerTransformer(), LogisticRegression()), "x0, x1, x2, x3", "no feature may be missing"),
        (
            (QuantileTransformer(n_quantiles=9), DecisionTreeClassifier(max_depth=1, random_state=0)),
            "x3",
            "null is taken for x0, x1, x2; not for x3",
        ),
    ],
    ids=["refused", "otherwise"],
)
def test_null_is_taken_only_where_the_library_has_the_same_answer(
    tmp_path: Path, steps: tuple[BaseEstimator, ...], names: str, words: str
) -> None:
    """The graphs have an answer for NaN, too; the tree looks at x3 only."""
    model = make_pipeline(*steps).fit(ROWS, CLASSES > 1)

    manifest = prepare(pickled(model, tmp_path), name="m", trust_pickle=True).manifest

    assert ", ".join(each.name for each in manifest.features if not each.nullable) == names
    (note,) = [note for note in manifest.notes if note.startswith("missing: ")]
    taken, _, reason = note.partition(", because scikit-learn ")
    assert taken == f"missing: {words}"
    assert reason.endswith(f" refuses it for {names}, or answers otherwise")


def test_a_number_that_may_be_missing_as_the_user_says_is_checked(tmp_path: Path) -> None:
    steps = make_pipeline(QuantileTransformer(n_quantiles=9), DecisionTreeClassifier(max_depth=1, random_state=0))
    model = pickled(steps.fit(ROWS, CLASSES > 1), tmp_path)

    with pytest.raises(Refused, match=r"differs from scikit-learn .* for the row .*nan"):
        prepare(model, name="m", trust_pickle=True, nullable=["x3"])


@pytest.mark.parametrize("model", [LinearSVC(), make_pipeline(StandardScaler(), LinearSVC())])
def test_a_graph_that_no_type_makes_right_is_refused_with_the_first_reason(
    tmp_path: Path, model: BaseEstimator
) -> None:
    file = pickled(model.fit(ROWS, CLASSES), tmp_path)

    with pytest.raises(Refused, match=r"m\.pkl: output probabilities has scores of LinearClassifier") as refused:
        prepare(file, name="m", trust_pickle=True)

    assert "make_pipeline(…, CalibratedClassifierCV(classifier))" in str(refused.value)


def test_a_calibrated_classifier_at_the_end_of_a_pipeline_is_taken_as_the_refusal_says(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), CalibratedClassifierCV(LinearSVC())).fit(ROWS, CLASSES)

    prepared = prepare(pickled(model, tmp_path), name="m", trust_pickle=True)

    served = Engine(prepared.content, device="cpu").run(ROWS.astype(np.float32))["probabilities"]
    assert np.allclose(served, model.predict_proba(ROWS), atol=1e-5)


def test_a_model_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    model = KNeighborsClassifier(metric="canberra").fit(ROWS, CLASSES)

    with pytest.raises(Refused, match=r"m\.pkl: skl2onnx cannot convert it: "):
        prepare(pickled(model, tmp_path), name="m", trust_pickle=True)


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path / "m.keras", name="m")


def test_the_digest_of_a_folder_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    for name in ("variables/index", "saved_model.pb"):
        (tmp_path / name).write_text(name)
    command = "sha256sum saved_model.pb variables/index | sha256sum"

    printed = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert printed.split()[0] == _digest(tmp_path)
