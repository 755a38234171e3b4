"""Classifiers of scikit-learn are served as their `predict_proba` says, or refused: nothing is misread."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skl2onnx import to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC
from sklearn.tree import DecisionTreeClassifier

from softmaxd.adding.add import add_model
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import Manifest
from tests.support.paths import REPOSITORY

Rows = npt.NDArray[np.float32]

IRIS, CANCER, DIGITS = (load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_digits))
FOUR = (DIGITS[0][DIGITS[1] < 4] / 16, DIGITS[1][DIGITS[1] < 4])
ONE_HOT = (IRIS[0], np.eye(3)[IRIS[1]])
TOLERANCE = 2.0**-14  # a probability is about as wrong as the logit behind it: by 2⁻²⁴ of its size, here below 2¹⁰

PROBABILITIES: Mapping[str, tuple[Any, Any]] = {
    "RandomForestClassifier": (RandomForestClassifier(25, random_state=0), IRIS),
    "RandomForestClassifier behind a StandardScaler": (
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
        CANCER,
    ),
    "ExtraTreesClassifier": (ExtraTreesClassifier(7, random_state=0), IRIS),
    "DecisionTreeClassifier": (DecisionTreeClassifier(random_state=0), IRIS),
    "GradientBoostingClassifier": (GradientBoostingClassifier(n_estimators=5, random_state=0), IRIS),
    "AdaBoostClassifier": (AdaBoostClassifier(n_estimators=5, random_state=0), IRIS),
    "OneVsRestClassifier(LogisticRegression())": (OneVsRestClassifier(LogisticRegression()), IRIS),
    "GaussianNB": (GaussianNB(), DIGITS),
    "KNeighborsClassifier": (KNeighborsClassifier(), IRIS),
    'SGDClassifier(loss="log_loss")': (SGDClassifier(loss="log_loss", random_state=0), IRIS),
    "CalibratedClassifierCV(LinearSVC())": (CalibratedClassifierCV(LinearSVC()), IRIS),
    "CalibratedClassifierCV(SVC())": (CalibratedClassifierCV(SVC(), ensemble=False), FOUR),
    "SVC(probability=True)": (SVC(probability=True, random_state=0), CANCER),
}
FORESTS = {f"forest {seed}": (RandomForestClassifier(10, random_state=seed), CANCER) for seed in range(4)}
SCORES: Mapping[str, tuple[Any, Any]] = {
    "LinearSVC": (LinearSVC(), IRIS),
    "SVC": (SVC(), IRIS),
    "SVC of two classes": (SVC(), CANCER),
    "NuSVC": (NuSVC(), IRIS),
    'SVC(decision_function_shape="ovo")': (SVC(decision_function_shape="ovo"), FOUR),
    "OneVsOneClassifier(LinearSVC())": (OneVsOneClassifier(LinearSVC()), FOUR),
    "RidgeClassifier": (RidgeClassifier(), IRIS),
    "RidgeClassifier of two classes": (RidgeClassifier(), CANCER),
    "Perceptron": (Perceptron(), IRIS),
    "SGDClassifier": (SGDClassifier(random_state=0), IRIS),
    "KMeans": (KMeans(3, random_state=0, n_init=1), IRIS),
    "LinearRegression": (LinearRegression(), ONE_HOT),
    "RandomForestRegressor": (RandomForestRegressor(5, random_state=0), (IRIS[0], 3 * ONE_HOT[1] - 1)),
    "MLPRegressor": (MLPRegressor(max_iter=20, random_state=0), ONE_HOT),
}
ONE_OF_EACH_LABEL = "RandomForestRegressor of a 1 for the label and 0 elsewhere"
TABLE = (
    (REPOSITORY / "docs" / "models.md").read_text().partition("\n## Models of scikit-learn\n")[2].partition("\n## ")[0]
)
ROWS = re.findall(r"^\| (.+) \| `(.+)` \| .+ \|$", TABLE, re.MULTILINE)
FOUND = {model.replace("`", ""): found for model, found in ROWS}


def test_every_row_of_the_table_is_tested() -> None:
    assert FOUND.keys() == PROBABILITIES.keys() | SCORES.keys() | {ONE_OF_EACH_LABEL}


def add(model: Any, table: Any, folder: Path, **options: Any) -> tuple[Engine, Manifest]:
    """Fit a model, export it, add it, and return the graph that is served."""
    rows, targets = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fits that end early, and what will change in the libraries
        model.fit(rows.astype(np.float32), targets)
        try:
            file = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False})
        except NameError:  # it has no probabilities, and so no such option
            file = to_onnx(model, rows[:1].astype(np.float32))
    (folder / "model.onnx").write_bytes(file.SerializeToString())
    published, manifest = add_model(folder / "model.onnx", folder / "models", name="model", **options)
    return Engine(published / "model.onnx", device="cpu"), manifest


@pytest.mark.parametrize("name", [*PROBABILITIES, *FORESTS])
def test_probabilities_are_served_as_the_library_gives_them(name: str, tmp_path: Path) -> None:
    model, table = {**PROBABILITIES, **FORESTS}[name]
    rows = table[0].astype(np.float32)

    engine, manifest = add(model, table, tmp_path)

    probabilities = engine.run(rows)["probabilities"].astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.predict_proba(rows)
    assert np.abs(probabilities - expected).max() <= TOLERANCE
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    assert np.abs(probabilities.sum(axis=1) - 1).max() <= 1e-6
    assert list(manifest.labels) == [str(label) for label in model.classes_]
    assert FOUND.get(name, FOUND["RandomForestClassifier"]) in "\n".join(manifest.notes)


@pytest.mark.parametrize("name", SCORES)
def test_scores_that_are_no_probabilities_are_refused_with_the_cure(name: str, tmp_path: Path) -> None:
    model, table = SCORES[name]

    with pytest.raises(Refused, match=re.escape(FOUND[name])):
        add(model, table, tmp_path)

    assert not (tmp_path / "models").exists()


def test_a_forest_of_regressions_may_have_probabilities_which_a_note_says(tmp_path: Path) -> None:
    model = RandomForestRegressor(5, random_state=0)

    engine, manifest = add(model, ONE_HOT, tmp_path)

    rows = IRIS[0].astype(np.float32)
    served = engine.run(rows)["probabilities"]
    assert np.abs(served - model.predict(rows)).max() <= TOLERANCE
    assert FOUND[ONE_OF_EACH_LABEL] in "\n".join(manifest.notes)
    assert FOUND[ONE_OF_EACH_LABEL] in (tmp_path / "models" / "model" / "1" / "card.md").read_text()


@pytest.mark.parametrize("name", ['SVC(decision_function_shape="ovo")', "KMeans"])
def test_not_even_their_owner_can_call_scores_logits_that_the_label_contradicts(name: str, tmp_path: Path) -> None:
    model, table = SCORES[name]

    with pytest.raises(Refused, match="the output label says "):
        add(model, table, tmp_path, logits="scores" if name == "KMeans" else "probabilities")


def test_raw_scores_of_a_multinomial_regression_are_logits_if_their_owner_says_so(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(*IRIS)
    file = to_onnx(model, IRIS[0][:1].astype(np.float32), options={"zipmap": False, "raw_scores": True})
    (tmp_path / "raw.onnx").write_bytes(file.SerializeToString())

    folder, manifest = add_model(tmp_path / "raw.onnx", tmp_path / "models", name="raw", logits="probabilities")

    rows = IRIS[0].astype(np.float32)
    served = Engine(folder / "model.onnx", device="cpu").run(rows)["probabilities"]
    assert np.abs(served - model.predict_proba(rows)).max() <= TOLERANCE
    assert "logits: the output probabilities; as --logits says" in manifest.notes
    assert "- logits: the output probabilities; as --logits says\n" in (folder / "card.md").read_text()
