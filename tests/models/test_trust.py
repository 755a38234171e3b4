"""Evidence that the promises of docs/trust.md hold: over many splits, on fresh rows, and beside the truth.

Every test has a fixed seed, so it passes always or never. The false alarms that are stated are those of its bounds,
over the choice of that seed.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, betabinom, kstest, norm

from softmaxd.models.calibration import Calibration
from softmaxd.models.engine import Engine
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, log_softmax
from softmaxd.numerics.trust import quantiles
from softmaxd_training import blobs, gaussians
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.calibration import Outputs, calibrate, covered, figures, fit_temperature, mean_loss
from softmaxd_training.export import Exported, export
from softmaxd_training.networks import divide_logits
from softmaxd_training.rows import Classes, Parts, Rows
from softmaxd_training.table import run as run_table
from softmaxd_training.tablefeatures import Part
from softmaxd_training.tables.fitting import fit
from softmaxd_training.tables.graphs import graph_of
from softmaxd_training.tables.typicality import TableTypicality
from tests.support.iris import parts_of_committed
from tests.support.loans import loans
from tests.support.paths import MODELS

COVERAGES = [0.8, 0.9, 0.95, 0.99]
SPLITS = 300
LOANS = 50  # rows to calibrate with, and as many to measure, in each split of a made table


def too_sure(rows: Rows) -> Floats:
    """Give the logits of a classifier of the clouds that is wrong about their shape, and four times too sure."""
    stretched: Array = rows.features * np.array([1.1, 0.8], dtype=np.float32)
    return 4 * gaussians.true_logits(stretched, 6.0)


def held_by_sets(rows: Rows, calibration_rows: int, coverage: float) -> int:
    """Fit the temperature and the sets to the first rows, and return how many of the others are held."""
    logits, atypicality = too_sure(rows), np.zeros(len(rows), dtype=np.float32)
    temperature = fit_temperature(logits[:calibration_rows], rows.classes[:calibration_rows])
    outputs: Outputs = {"logits": (logits / temperature).astype(np.float32), "atypicality": atypicality}
    first = {name: values[:calibration_rows] for name, values in outputs.items()}
    calibration = calibrate(first, rows.classes[:calibration_rows], temperature)
    rest = log_softmax(outputs["logits"][calibration_rows:].astype(np.float64))
    asked = rows.classes[calibration_rows:]
    return round(covered(rest, asked, calibration, coverage).measured * len(asked))


def assert_lawful(held: list[int], calibration_rows: int, rows: int, coverage: float) -> None:
    """Compare counts of independent splits with the beta-binomial law of split conformal prediction.

    Their mean is outside in one of 40,000 cases, and so are those that are outside of 95 % of the law.
    """
    rank = int(np.ceil(round((calibration_rows + 1) * coverage, 9)))
    law = betabinom(rows, rank, calibration_rows + 1 - rank)
    deviations = abs(np.mean(held) - law.mean()) / (law.std() / np.sqrt(len(held)))
    low, high = law.ppf([0.025, 0.975])
    inside = law.cdf(high) - law.cdf(low - 1)
    outliers = sum(not low <= count <= high for count in held)

    assert deviations < norm.ppf(1 - 1.25e-5), f"mean {np.mean(held)}, not {law.mean()}"
    assert outliers <= len(held) * (1 - inside) + norm.ppf(1 - 2.5e-5) * np.sqrt(len(held) * inside * (1 - inside))


@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_hold_the_true_label_as_often_as_theory_says_with_the_temperature_fitted_on_the_same_rows(
    coverage: float,
) -> None:
    splits = [gaussians.draw(200 + 400, seed=seed, sigma=6.0) for seed in range(SPLITS)]

    assert_lawful([held_by_sets(rows, 200, coverage) for rows in splits], 200, 400, coverage)


def hard_and_rare(seed: int, rows: int) -> tuple[Floats, Classes]:
    """Draw logits of three classes: half of the rows of an easy one, and one in ten of a hard one."""
    chance = np.random.default_rng(seed)
    classes = chance.choice(3, size=rows, p=[0.5, 0.4, 0.1])
    return chance.normal(size=(rows, 3)) + np.eye(3)[classes] * np.array([4.0, 2.0, 0.5])[classes][:, None], classes


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_by_class_hold_each_label_as_often_as_theory_says_and_marginal_ones_miss_the_hard_one(
    coverage: float,
) -> None:
    held: list[list[int]] = [[], [], []]
    marginal = []
    for seed in range(SPLITS):
        logits, classes = hard_and_rare(seed, 4_000)
        first = [index[:50] for index in (np.flatnonzero(classes == label) for label in range(3))]
        rest = [index[50:250] for index in (np.flatnonzero(classes == label) for label in range(3))]
        known = np.concatenate(first)
        outputs: Outputs = {"logits": logits[known].astype(np.float32), "atypicality": np.zeros(150, dtype=np.float32)}
        calibration = calibrate(outputs, classes[known], 1.0)
        for label, asked in enumerate(rest):
            logarithms = log_softmax(logits[asked])
            sets = calibration.prediction_sets(logarithms, coverage, "class")
            held[label].append(int(sets[:, label].sum()))
        marginal.append(calibration.prediction_sets(log_softmax(logits[rest[2]]), coverage)[:, 2].mean())

    for counts in held:
        assert_lawful(counts, 50, 200, coverage)
    assert np.mean(marginal) < coverage - 0.1


@pytest.mark.parametrize("name", ["blobs/2", "iris/1"])
def test_the_committed_models_keep_the_scores_of_each_label_and_measure_both_kinds_of_coverage(name: str) -> None:
    manifest = read_manifest(MODELS / name)
    calibration, evaluation = manifest.calibration, manifest.evaluation
    assert calibration is not None
    assert calibration.by_label is not None
    assert evaluation is not None
    assert evaluation.prediction_sets_by_class is not None

    assert sorted(score for label in calibration.by_label for score in label.scores) == list(calibration.scores)
    rows = [sum(counts) for counts in evaluation.confusion]
    for measured in (*evaluation.prediction_sets, *evaluation.prediction_sets_by_class):
        assert measured.by_label is not None
        held = sum(count * share for count, share in zip(rows, measured.by_label, strict=True) if share is not None)
        assert held == pytest.approx(measured.measured * sum(rows))


@pytest.fixture(scope="module")
def iris() -> Parts:
    """The parts of the table that the committed model was trained on."""
    origin = read_manifest(MODELS / "iris" / "1").provenance
    assert origin is not None
    return parts_of_committed(origin.seed)


def run(name: str, features: Array) -> Outputs:
    return Engine(MODELS / name / MODEL_FILE, device="cpu").run(features)


@pytest.mark.parametrize("coverage", COVERAGES[:3])  # 30 rows cannot give 99 %
def test_sets_of_the_committed_iris_model_hold_as_often_over_splits_of_its_held_out_rows(
    iris: Parts, coverage: float
) -> None:
    features = np.concatenate([iris.calibration.features, iris.test.features])
    classes = np.concatenate([iris.calibration.classes, iris.test.classes])
    outputs = run("iris/1", features)
    held = []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(classes))
        first, rest = order[:30], order[30:]
        calibration = calibrate({name: values[first] for name, values in outputs.items()}, classes[first], 1.0)
        log_probabilities = log_softmax(outputs["logits"][rest].astype(np.float64))
        held.append(round(covered(log_probabilities, classes[rest], calibration, coverage).measured * len(rest)))

    assert_lawful(held, 30, 30, coverage)


@pytest.fixture(scope="module")
def fresh() -> Rows:
    return gaussians.draw(40_000, seed=1_000)


@pytest.mark.parametrize("coverage", COVERAGES)
def test_the_sets_of_the_committed_blobs_model_hold_the_labels_of_fresh_rows(fresh: Rows, coverage: float) -> None:
    calibration = read_manifest(MODELS / "blobs" / "2").calibration
    assert calibration is not None
    log_probabilities = log_softmax(run("blobs/2", fresh.features)["logits"].astype(np.float64))
    rank = int(np.ceil(round((calibration.rows + 1) * coverage, 9)))

    measured = covered(log_probabilities, fresh.classes, calibration, coverage).measured
    # with these calibration rows it is one draw from a beta law: outside in one of 10,000 cases
    low, high = beta(rank, calibration.rows + 1 - rank).ppf([0.5e-4, 1 - 0.5e-4])
    assert low - 0.002 < measured < high + 0.002  # the 40,000 rows add little: at most 0.002 standard deviations


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5, 0.9])
def test_the_typicality_of_fresh_rows_is_spread_evenly_for_the_committed_blobs_model(fresh: Rows, share: float) -> None:
    calibration = read_manifest(MODELS / "blobs" / "2").calibration
    assert calibration is not None
    found = calibration.typicality(run("blobs/2", fresh.features)["atypicality"])
    rank = int(share * (calibration.rows + 1))

    low, high = beta(rank, calibration.rows + 1 - rank).ppf([0.5e-4, 1 - 0.5e-4])
    assert low - 0.002 < (found <= share).mean() < high + 0.002


def test_typicality_is_uniform_over_seeds_on_rows_that_were_held_out() -> None:
    measured = Atypicality.of(gaussians.draw(100, seed=0, sigma=6.0))
    found = []
    for seed in range(1, 501):
        distances = measured(gaussians.draw(100, seed=seed, sigma=6.0).features).astype(np.float32)
        kept = tuple(quantiles(distances[:99].astype(np.float64)).tolist())
        calibration = Calibration(rows=99, temperature=1, scores=kept, atypicality=kept)
        found.append(calibration.typicality(distances[99:])[0])
    steps = np.array(found) * 100
    between = steps - np.random.default_rng(0).uniform(size=len(steps))  # 1 … 100 become all of (0, 100)

    assert np.abs(steps - np.round(steps)).max() < 1e-9
    assert kstest(between / 100, "uniform").pvalue > 1e-4


def test_the_typicality_of_points_far_from_all_is_below_a_hundredth_where_the_softmax_is_sure() -> None:
    calibration = read_manifest(MODELS / "blobs" / "2").calibration
    assert calibration is not None
    outputs = run("blobs/2", np.array([[15, 200], [-100, -100]], dtype=np.float32))

    assert outputs["probabilities"].max(axis=1).tolist() == pytest.approx([1, 1], abs=5e-4)
    assert (calibration.typicality(outputs["atypicality"]) < 0.01).all()


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A network for clouds that overlap, which is then made three times as sure as it was trained to be."""
    parts = blobs.make_data(sigma=6.0)
    trained = blobs.fit(parts, seed=0, epochs=30, on_epoch=lambda: None)
    divide_logits(trained.network, 1 / 3)
    path: Path = tmp_path_factory.mktemp("overlapping") / MODEL_FILE
    return export(trained.network, parts, path)


def test_calibration_brings_a_network_that_is_too_sure_nearer_to_the_truth(overlapping: Exported) -> None:
    rows = gaussians.draw(20_000, seed=2_000, sigma=6.0)
    truth = blobs.compare_with_truth(overlapping, rows, 6.0)
    temperature = overlapping.calibration.temperature
    reached = f"temperature {temperature:.3f}, {truth}"

    assert 2.5 < temperature < 4, reached
    assert truth["divergence"] < 0.08, reached
    assert truth["divergence_before"] > 3 * truth["divergence"], reached
    assert truth["posterior_error"] < 0.1 < truth["posterior_error_before"], reached
    assert truth["typicality_error"] < 0.15, reached


def test_the_loss_above_the_bayes_loss_is_the_divergence_and_falls_with_calibration(overlapping: Exported) -> None:
    rows = gaussians.draw(20_000, seed=2_000, sigma=6.0)
    truth = blobs.compare_with_truth(overlapping, rows, 6.0)
    logits = overlapping.engine.run(rows.features)["logits"].astype(np.float64)
    excess = mean_loss(logits, rows.classes) - truth["bayes_loss"]
    before = mean_loss(logits, rows.classes, 1 / overlapping.calibration.temperature) - truth["bayes_loss"]

    assert excess == pytest.approx(truth["divergence"], abs=0.01), f"{excess:.4f} after, {before:.4f} before"
    assert before > 3 * excess > 0, f"{excess:.4f} after, {before:.4f} before"


def test_calibration_mends_the_calibration_error_of_fresh_rows(overlapping: Exported) -> None:
    rows = gaussians.draw(20_000, seed=2_000, sigma=6.0)
    logits = overlapping.engine.run(rows.features)["logits"].astype(np.float64)
    after = figures(logits, rows.classes)
    before = figures(logits, rows.classes, 1 / overlapping.calibration.temperature)

    assert after["ece"] < 0.03, f"{after}, before {before}"
    assert before["ece"] > 0.1, f"{after}, before {before}"
    assert after["brier"] < before["brier"]


@pytest.mark.parametrize(("text_columns", "points"), [(1, 0), (2, 250)])
def test_sets_and_typicality_of_a_table_with_texts_hold_as_often_as_theory_says(
    tmp_path: Path, text_columns: int, points: int
) -> None:
    """A typicality above 1 − coverage is as likely as a set with the true label: the same law of ranks."""
    frame = loans(tmp_path, 300 + SPLITS * 2 * LOANS, seed=text_columns)
    rows = Part.of(replace(frame, texts=frame.texts[:, :text_columns]), np.arange(len(frame)))
    training, fresh = rows.chosen(slice(0, 300)), rows.chosen(slice(300, None))
    fitted = fit(training.numbers, training.texts, training.classes, seed=0, on_epoch=lambda _line: None)
    cells = training.numbers, training.texts, training.classes, fitted.encoder
    typicality = TableTypicality.of(*cells, points=points)
    graph = graph_of(fitted, typicality).SerializeToString(deterministic=True)
    outputs = run_table(Engine(graph, device="cpu"), fresh)

    for coverage in COVERAGES[:3]:
        held, typical = [], []
        for split in np.split(np.arange(len(fresh)), SPLITS):
            known, rest = split[:LOANS], split[LOANS:]
            calibration = calibrate(
                {name: values[known] for name, values in outputs.items()}, fresh.classes[known], fitted.temperature
            )
            log_probabilities = log_softmax(outputs["logits"][rest].astype(np.float64))
            held.append(round(covered(log_probabilities, fresh.classes[rest], calibration, coverage).measured * LOANS))
            found = calibration.typicality(outputs["atypicality"][rest])
            typical.append(int((found > 1 - coverage).sum()))
        assert_lawful(held, LOANS, LOANS, coverage)
        assert_lawful(typical, LOANS, LOANS, coverage)
