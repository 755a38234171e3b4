"""skl2onnx converts models that it cannot convert by itself, and others are refused with a cure."""

import numpy as np
import pytest
from onnx import TensorProto
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.ensemble import (
    BaggingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import CategoricalNB, GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from softmaxd.converting.adapting import adapt
from softmaxd.errors import Refused

DRAW = np.random.default_rng(0)
ROWS = DRAW.normal(50, 10, (300, 3)).round(2)
CLASSES = (ROWS[:, 0] > 50).astype(int) + (ROWS[:, 1] > 55)
GAPS = np.where(DRAW.random(ROWS.shape) < 0.1, np.nan, ROWS)
HISTOGRAMS = HistGradientBoostingClassifier(max_iter=5)
FOREST = RandomForestClassifier(5, random_state=0)


def probabilities(model: object, rows: np.typing.NDArray[np.floating]) -> np.typing.NDArray[np.floating]:
    graph = to_onnx(model, rows[:1], options={"zipmap": False})
    graph.graph.output[1].type.tensor_type.elem_type = TensorProto.FLOAT  # which skl2onnx may call float64
    found: np.typing.NDArray[np.floating] = InferenceSession(graph.SerializeToString()).run(None, {"X": rows})[1]
    return found


@pytest.mark.parametrize("voting", [VotingClassifier, StackingClassifier])
def test_soft_votes_of_histograms_become_onnx(voting: type[VotingClassifier | StackingClassifier]) -> None:
    options = {"voting": "soft"} if voting is VotingClassifier else {}
    classifiers = [("histograms", HISTOGRAMS), ("bayes", make_pipeline(StandardScaler(), GaussianNB()))]
    model = make_pipeline(StandardScaler(), voting(classifiers, **options)).fit(ROWS, CLASSES)
    expected = model.predict_proba(ROWS)

    adapt(model)

    assert np.array_equal(model.predict_proba(ROWS), expected)
    assert (np.abs(probabilities(model, ROWS.astype(np.float32)) - expected).max(axis=1) < 1e-5).mean() > 0.9


def test_histograms_keep_all_digits_of_their_thresholds_and_the_way_of_missing_numbers() -> None:
    model = HISTOGRAMS.fit(GAPS, CLASSES)
    thresholds = np.concatenate([trees.nodes["num_threshold"] for [trees, *_] in model._predictors])
    rows = np.concatenate([GAPS, np.stack([thresholds] * 3, axis=1), np.nextafter([thresholds] * 3, np.inf).T])

    adapt(model)

    assert np.abs(probabilities(model, rows) - model.predict_proba(rows)).max() < 1e-6


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            VotingClassifier([("forest", FOREST)]),
            r"^it has a VotingClassifier with voting='hard', .*: take voting='soft', ",
        ),
        (
            make_pipeline(StandardScaler(), BaggingClassifier(SVC(), 2)),
            r"^it has a BaggingClassifier of SVC, .*: take BaggingClassifier\(CalibratedClassifierCV\(SVC\(\)\)\)$",
        ),
        (
            HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]),
            r"^it has a HistGradientBoostingClassifier with categories, .* OneHotEncoder\(sparse_output=False\)",
        ),
        (CategoricalNB(), r"^it has a CategoricalNB, whose ONNX file fails where a number is no category: take "),
    ],
    ids=["hard votes", "votes of a bag", "categories", "without export"],
)
def test_a_model_that_nothing_helps_is_refused_with_a_cure(model: VotingClassifier, reason: str) -> None:
    model.fit((ROWS > 50).astype(int), CLASSES)

    with pytest.raises(Refused, match=reason):
        adapt(model)


@pytest.mark.parametrize("model", [BaggingClassifier(SVC()), HISTOGRAMS, LogisticRegression()])
def test_a_model_that_is_not_fitted_is_left_to_others(model: object) -> None:
    adapt(model)
