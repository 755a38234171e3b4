"""Classifiers of scikit-learn are served as their `predict_proba` says, or refused: nothing is misread."""

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
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from softmaxd.adding.add import add_model
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import Manifest

Rows = npt.NDArray[np.float32]

IRIS, CANCER, DIGITS = (load(return_X_y=True) for load in (load_iris, load_breast_cancer, load_digits))
FOUR = (DIGITS[0][DIGITS[1] < 4] / 16, DIGITS[1][DIGITS[1] < 4])
ONE_HOT = (IRIS[0], np.eye(3)[IRIS[1]])
TOLERANCE = 2.0**-14  # a probability is about as wrong as the logit behind it: by 2⁻²⁴ of its size, here below 2¹⁰

PROBABILITIES: Mapping[str, tuple[Any, Any]] = {
    **{f"forest {seed}": (RandomForestClassifier(10, random_state=seed), CANCER) for seed in range(4)},
    "forest of 25": (RandomForestClassifier(25, random_state=0), IRIS),
    "scaled forest": (make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)), CANCER),
    "extra trees": (ExtraTreesClassifier(7, random_state=0), IRIS),
    "tree": (DecisionTreeClassifier(random_state=0), IRIS),
    "boosted trees": (GradientBoostingClassifier(n_estimators=5, random_state=0), IRIS),
    "AdaBoost": (AdaBoostClassifier(n_estimators=5, random_state=0), IRIS),
    "one logistic each": (OneVsRestClassifier(LogisticRegression()), IRIS),
    "naive Bayes": (GaussianNB(), DIGITS),
    "neighbours": (KNeighborsClassifier(), IRIS),
    "logistic by SGD": (SGDClassifier(loss="log_loss", random_state=0), IRIS),
    "calibrated LinearSVC": (CalibratedClassifierCV(LinearSVC()), IRIS),
    "calibrated SVC": (CalibratedClassifierCV(SVC(), ensemble=False), FOUR),
    "SVC with probability": (SVC(probability=True, random_state=0), CANCER),
}
SCORES: Mapping[str, tuple[Any, Any, str]] = {
    "LinearSVC": (LinearSVC(), IRIS, "has scores of LinearClassifier, such as a decision function or distances"),
    "SVC": (SVC(), IRIS, "has scores of SVMClassifier, "),
    "SVC of two classes": (SVC(), CANCER, r"is \[-s, s\], the decision function of two classes"),
    "SVC one against one": (SVC(decision_function_shape="ovo"), FOUR, "has scores of SVMClassifier, "),
    "one against one": (OneVsOneClassifier(LinearSVC()), FOUR, "has scores of LinearClassifier, "),
    "ridge": (RidgeClassifier(), IRIS, "has scores of LinearClassifier, "),
    "perceptron": (Perceptron(), IRIS, "has scores of skl2onnx, "),
    "hinge": (SGDClassifier(random_state=0), IRIS, "has scores of skl2onnx, "),
    "k-means": (KMeans(3, random_state=0, n_init=1), IRIS, "has scores of skl2onnx, "),
    "linear regression": (LinearRegression(), ONE_HOT, r"is a regression \(LinearRegressor\), "),
    "regression forest": (RandomForestRegressor(5, random_state=0), (IRIS[0], 3 * ONE_HOT[1] - 1), "is a regression "),
}


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


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_are_served_as_the_library_gives_them(name: str, tmp_path: Path) -> None:
    model, table = PROBABILITIES[name]
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


@pytest.mark.parametrize("name", SCORES)
def test_scores_that_are_no_probabilities_are_refused_with_the_cure(name: str, tmp_path: Path) -> None:
    model, table, message = SCORES[name]

    with pytest.raises(Refused, match=f"output [a-z_]+ {message}"):
        add(model, table, tmp_path)

    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("name", ["SVC one against one", "k-means"])
def test_not_even_their_owner_can_call_scores_logits_that_the_label_contradicts(name: str, tmp_path: Path) -> None:
    model, table, _ = SCORES[name]

    with pytest.raises(Refused, match="the output label says "):
        add(model, table, tmp_path, logits="scores" if name == "k-means" else "probabilities")


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


def test_a_regression_by_a_network_is_refused(tmp_path: Path) -> None:
    """skl2onnx gives it as one number a row, as if there were one target."""
    with pytest.raises(Refused, match="output variable is one number per row"):
        add(MLPRegressor(max_iter=20, random_state=0), ONE_HOT, tmp_path)
