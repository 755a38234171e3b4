"""Temperature and figures against scikit-learn, mapie and direct definitions."""

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss

from softmaxd.models.calibration import Calibration, LabelCalibration
from softmaxd.numerics.softmax import Floats, log_softmax
from softmaxd.numerics.trust import MARGIN, quantiles
from softmaxd_training.calibration import (
    best_temperature,
    calibrate,
    calibration_error,
    covered,
    evaluate,
    figures,
    fit_temperature,
    fit_with_zeros,
    mean_loss,
    measure,
    reliability,
    tenths,
)
from softmaxd_training.chance import coverage_by_chance
from softmaxd_training.rows import Classes


def overconfident(count: int, *, classes: int = 3, seed: int = 0) -> tuple[Floats, Classes]:
    """Return logits that are right more often than not, and surer than that."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(classes, size=count)
    return 4 * (chance.normal(size=(count, classes)) + np.eye(classes)[labels]), labels


def probabilities_of(logits: Floats) -> Floats:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def calibration_of(logits: Floats, classes: Classes) -> Calibration:
    scores = -log_softmax(logits)[np.arange(len(classes)), classes]
    kept = tuple(quantiles(scores).tolist())
    return Calibration(rows=len(classes), temperature=1.0, scores=kept, atypicality=kept)


class Logits(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier for scikit-learn and mapie whose features are its logits."""

    def __init__(self, classes: int = 3) -> None:
        self.classes = classes

    def fit(self, _features: Floats, _classes: Classes) -> "Logits":
        self.classes_ = np.arange(self.classes)
        return self

    def decision_function(self, features: Floats) -> Floats:
        return features if self.classes > 2 else (features[:, 1] - features[:, 0]) / 2  # which it takes for ±

    def predict(self, features: Floats) -> Classes:
        classes: Classes = features.argmax(axis=1)
        return classes

    def predict_proba(self, features: Floats) -> Floats:
        return probabilities_of(features)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_the_temperature_is_the_one_of_scikit_learn(classes: int, scale: float) -> None:
    logits, labels = overconfident(400, classes=classes)
    theirs = CalibratedClassifierCV(FrozenEstimator(Logits(classes).fit(logits, labels)), method="temperature")
    theirs.fit(scale * logits, labels)
    (calibrated,) = theirs.calibrated_classifiers_

    assert best_temperature(scale * logits, labels) == pytest.approx(1 / calibrated.calibrators[0].beta_, rel=1e-5)


def test_no_temperature_near_it_has_a_lower_loss() -> None:
    logits, labels = overconfident(200)
    best = best_temperature(logits, labels)

    assert best > 1.5
    assert all(mean_loss(logits, labels, best) < mean_loss(logits, labels, best * factor) for factor in (0.999, 1.001))


@pytest.mark.parametrize(
    ("logits", "why"),
    [
        ([[3.0, 1.0], [0.0, 5.0], [0.2, 0.1]], "every row is labelled right: the surer, the better"),
        ([[3.0, 1.0], [1.0 + 1e-7, 1.0], [0.2, 0.1]], "a true label ties with another one: the surer, the better"),
        ([[1.0, 3.0], [5.0, 0.0], [0.2, 0.1]], "the true logits are below the others: the less sure, the better"),
        ([[2.0, 2.0], [1.0, 1.0], [0.0, 0.0]], "the logits say nothing"),
    ],
)
def test_where_the_loss_has_no_minimum_the_temperature_is_one(logits: list[list[float]], why: str) -> None:
    assert best_temperature(np.array(logits), np.array([0, 1, 0])) == 1, why


@pytest.mark.parametrize(("logits", "end"), [([[1e-4, 0.0], [0.9e-4, 0.0]], 0.05), ([[1e4, 0.0], [0.9e4, 0.0]], 20)])
def test_the_temperature_stays_in_its_range(logits: list[list[float]], end: float) -> None:
    assert best_temperature(np.array(logits), np.array([0, 1])) == pytest.approx(end, rel=1e-5)


def test_the_temperature_of_an_honest_model_stays_one_in_19_of_20_cases() -> None:
    chance, kept = np.random.default_rng(0), 0
    for _ in range(1_000):
        logits = chance.normal(size=(200, 3), scale=2)
        labels = (chance.uniform(size=(200, 1)) > probabilities_of(logits).cumsum(axis=1)).sum(axis=1)
        kept += fit_temperature(logits, labels) == 1

    # 95 % of 1,000 cases, with a standard deviation of 7; the law is normal only for many rows
    assert kept == pytest.approx(950, abs=30)


def test_a_temperature_that_helps_by_more_than_chance_is_the_best_one() -> None:
    logits, labels = overconfident(400)

    assert fit_temperature(logits, labels) == best_temperature(logits, labels) > 1.5
    assert fit_temperature(logits / best_temperature(logits, labels), labels) == 1


def votes(count: int, *, seed: int = 0) -> tuple[Floats, Classes]:
    """Return ln p of ten trees that vote for one of three labels each, as the graph has it, and labels."""
    logits, labels = overconfident(count, seed=seed)
    chance = np.random.default_rng(seed + 1000)
    shares = np.stack([chance.multinomial(10, row) for row in probabilities_of(logits / 3)]) / 10
    return np.log(np.maximum(shares, np.finfo(np.float32).tiny)), labels


def test_probabilities_of_zero_do_not_decide_the_temperature() -> None:
    (logits, labels), (asked, true) = votes(400), votes(4000, seed=1)
    temperature, added = fit_with_zeros(logits, labels)
    smoothed = np.log(probabilities_of(asked) + added)

    assert added == 1 / 400
    assert mean_loss(smoothed, true, temperature) < mean_loss(asked, true, fit_temperature(logits, labels))
    assert mean_loss(smoothed, true, temperature) < mean_loss(asked, true)


def test_without_probabilities_of_zero_nothing_is_added() -> None:
    logits, labels = overconfident(400)

    assert fit_with_zeros(logits, labels) == (fit_temperature(logits, labels), 0)


def test_nothing_is_added_if_every_row_is_right() -> None:
    logits, _ = votes(100)

    assert fit_with_zeros(logits, logits.argmax(axis=1)) == (1, 0)


def test_loss_and_brier_score_are_those_of_scikit_learn() -> None:
    logits, labels = overconfident(150)
    probabilities = probabilities_of(logits / 2)
    found = figures(logits, labels, 2.0)

    assert found["loss"] == pytest.approx(log_loss(labels, probabilities, labels=[0, 1, 2]))
    assert found["brier"] == pytest.approx(((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1).mean())
    assert found["brier"] == pytest.approx(brier_score_loss(labels, probabilities, labels=[0, 1, 2]))


def test_the_brier_score_of_two_classes_goes_to_two_as_well() -> None:
    assert figures(np.array([[-50.0, 50.0]] * 2), np.array([0, 0]))["brier"] == pytest.approx(2)


@pytest.mark.parametrize("count", [7, 15, 150, 157])
def test_the_calibration_error_is_that_of_its_definition(count: int) -> None:
    logits, labels = overconfident(count)
    probabilities = probabilities_of(logits)
    rows = sorted(zip(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, strict=True))
    parts = min(15, count)
    longer = count % parts  # of the parts have a row more than the others
    error, start = 0.0, 0
    for number in range(parts):
        part = rows[start : start + count // parts + (number < longer)]
        start += len(part)
        error += len(part) / count * abs(sum(p for p, _ in part) / len(part) - sum(hit for _, hit in part) / len(part))

    bins = reliability(probabilities, labels)
    assert start == count == sum(part.rows for part in bins)
    assert calibration_error(bins) == pytest.approx(error)


def test_the_metrics_are_those_after_and_before_calibration() -> None:
    logits, labels = overconfident(90)
    logits = logits.astype(np.float32).astype(np.float64)
    found = measure({"logits": (logits / 2).astype(np.float32)}, labels, 2.0)

    assert found["test_rows"] == 90
    assert found["test_accuracy"] == (logits.argmax(axis=1) == labels).mean()
    for name, value in figures(logits / 2, labels).items():
        assert found[f"test_{name}"] == pytest.approx(value)
    for name, value in figures(logits, labels).items():
        assert found[f"test_{name}_before"] == pytest.approx(value)


def test_the_tables_are_those_of_the_rows() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1]]).astype(np.float32)
    classes, atypicality = np.array([0, 0, 2, 1]), np.array([0.5, 1.5, 9.0, 0.0], dtype=np.float32)
    labels = (LabelCalibration(rows=4, scores=(0.3, 0.6, 1.0, 2.0)), *[LabelCalibration(rows=0, scores=())] * 2)
    calibration = Calibration(
        rows=4, temperature=2.0, scores=(0.3, 0.6, 1.0, 2.0), atypicality=(1.0, 2.0, 3.0, 4.0), by_label=labels
    )

    tables = evaluate({"logits": logits, "atypicality": atypicality}, classes, calibration)

    assert tables.confusion == ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    assert [part.confidence for part in tables.reliability] == pytest.approx([0.5, 0.6, 0.7, 0.8])
    assert [part.accuracy for part in tables.reliability] == [0, 1, 1, 1]
    assert tables.reliability_before[-1].confidence == pytest.approx(0.64 / 0.66)  # squared, then made to sum to 1
    assert [(row.coverage, row.measured, row.labels) for row in tables.prediction_sets] == [
        (0.8, 1, 2),  # −ln p up to 2: from 0.135 on
        (0.9, 1, 3),
        (0.95, 1, 3),
        (0.99, 1, 3),
    ]
    assert [row.by_label for row in tables.prediction_sets] == [(1, 1, 1)] * 4
    assert tables.typicality == (0, 1, 0, 0, 0, 0, 0, 1, 0, 2)  # 1/5, 4/5 and twice 5/5


def test_a_value_at_the_end_of_a_tenth_belongs_to_it() -> None:
    values = np.arange(1, 101) / 100

    assert np.bincount(tenths(values)).tolist() == [10] * 10
    assert tenths(values)[[0, 9, 10, 29, 99]].tolist() == [0, 0, 1, 2, 9]


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("rows", [120, 500])
def test_prediction_sets_are_those_of_mapie(rows: int, coverage: float) -> None:
    (logits, labels), (asked, _) = overconfident(rows, seed=1), overconfident(300, seed=2)
    theirs = SplitConformalClassifier(Logits().fit(logits, labels), confidence_level=coverage)
    theirs.conformalize(logits, labels)
    _, sets = theirs.predict_set(asked)

    ours = calibration_of(logits, labels).prediction_sets(log_softmax(asked), coverage)
    highest = calibration_of(logits, labels).thresholds(coverage).highest
    ties = np.isclose(-log_softmax(asked), highest, rtol=MARGIN, atol=0)  # which mapie may leave out
    assert 0.3 < ours.mean() <= 1
    assert ties.sum() <= 1
    assert ours[ties].all()
    assert np.array_equal(ours[~ties], sets[:, :, 0][~ties])


def test_the_scores_are_kept_by_label_too() -> None:
    logits, labels = overconfident(90)
    labels[labels == 1] = 2  # a class without calibration rows
    outputs = {"logits": logits.astype(np.float32), "atypicality": np.zeros(90, dtype=np.float32)}

    found = calibrate(outputs, labels, 1.5)

    assert found.by_label is not None
    assert [label.rows for label in found.by_label] == [(labels == index).sum() for index in range(3)]
    assert sorted(score for label in found.by_label for score in label.scores) == list(found.scores)
    first = log_softmax(outputs["logits"].astype(np.float64))[labels == 0, 0]
    assert found.by_label[0].scores == tuple(np.sort(-first))
    assert found.by_label[1] == LabelCalibration(rows=0, scores=())


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels:UserWarning")
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_by_class_have_the_labels_of_mapies_sets_from_the_rows_of_each_class(coverage: float) -> None:
    (logits, labels), (asked, _) = overconfident(300, seed=1), overconfident(300, seed=2)
    logits[labels == 2] /= 3  # a class whose rows are not as sure
    float32s = logits.astype(np.float32)
    ours = calibrate({"logits": float32s, "atypicality": np.zeros(300, dtype=np.float32)}, labels, 1.0)
    sets = ours.prediction_sets(log_softmax(asked), coverage, "class")

    for index in range(3):
        rows, own = float32s[labels == index].astype(np.float64), labels[labels == index]
        theirs = SplitConformalClassifier(Logits().fit(rows, own), confidence_level=coverage)
        theirs.conformalize(rows, own)
        assert np.array_equal(sets[:, index], theirs.predict_set(asked)[1][:, index, 0])


def test_the_share_of_sets_that_hold_the_label_is_measured_for_each_label() -> None:
    logarithms = np.array([[-0.1, -3.0, -4.0], [-2.0, -0.2, -3.0], [-3.0, -0.1, -2.0]])
    labels = (LabelCalibration(rows=1, scores=(1.0,)), LabelCalibration(rows=2, scores=(0.1, 3.0)))
    calibration = Calibration(
        rows=3, temperature=1.0, scores=(0.1, 1.0, 3.0), atypicality=(1.0,),
        by_label=(*labels, LabelCalibration(rows=0, scores=())),
    )  # fmt: skip
    classes = np.array([0, 0, 1])

    marginal = covered(logarithms, classes, calibration, 0.5)
    by_class = covered(logarithms, classes, calibration, 0.5, "class")

    assert (marginal.measured, marginal.labels, marginal.by_label) == (2 / 3, 1, (0.5, 1, None))  # up to 1
    assert (by_class.measured, by_class.labels, by_class.by_label) == (2 / 3, 4 / 3, (0.5, 1, None))  # to 1, 3 and 1


@pytest.mark.parametrize(("calibration", "test", "coverage"), [(30, 30, 0.8), (200, 50, 0.9), (99, 500, 0.99)])
def test_measured_coverages_are_in_the_range_by_chance(calibration: int, test: int, coverage: float) -> None:
    low, high = coverage_by_chance(calibration, test, coverage)
    held = []
    for seed in range(2000):
        logits, labels = overconfident(calibration + test, seed=seed)
        known = calibration_of(logits[:calibration], labels[:calibration])
        held.append(covered(log_softmax(logits[calibration:]), labels[calibration:], known, coverage).measured)
    outside = np.mean([not low <= share <= high for share in held])

    assert high - low < 0.4
    # at most 5 % are outside, as counts are whole; 7.5 % in 2,000 would be five standard deviations more
    assert 0.005 < outside < 0.075
