import numpy as np
import pytest

from softmaxd.metrics.drift import (
    PROBABILITY_BOUNDS,
    ROWS_AT_ONCE,
    SAMPLE_BYTES,
    TYPICALITY_BOUNDS,
    AnswerCounter,
    AnswerCounts,
)
from softmaxd.metrics.histogram import Histogram
from softmaxd.models.calibration import Calibration
from softmaxd.models.features import Feature
from softmaxd.models.outputs import Array
from softmaxd.models.split import split
from softmaxd.numerics.trust import quantiles
from tests.support.manifests import manifest

LABELS = ("a", "b", "c")


def calibrated(rows: int) -> Calibration:
    values = tuple(quantiles(np.random.default_rng(1).chisquare(2, rows).astype(np.float32)).tolist())
    return Calibration(rows=rows, temperature=1.0, scores=values, atypicality=values)


def drawn(rows: int, seed: int) -> dict[str, Array]:
    numbers = np.random.default_rng(seed)
    return {
        "probabilities": numbers.dirichlet([0.5] * len(LABELS), rows).astype(np.float32),
        "atypicality": numbers.chisquare(3, rows).astype(np.float32),
    }


@pytest.mark.parametrize("calibration_rows", [1, 30, 5_000])
@pytest.mark.parametrize("batches", [[1] * 50, [32, 1, 7], [ROWS_AT_ONCE]])
def test_batches_are_counted_as_their_rows_would_be(calibration_rows: int, batches: list[int]) -> None:
    calibration = calibrated(calibration_rows)
    found = AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=calibration), found)
    outputs = [drawn(rows, seed) for seed, rows in enumerate(batches)]
    for batch in outputs:
        answers.add(batch)
    answers.count()

    expected = AnswerCounts()
    for batch in outputs:
        values = calibration.typicality(batch["atypicality"]).tolist()
        for row, value in zip(batch["probabilities"], values, strict=True):
            expected.labels[LABELS[row.argmax()]] += 1
            expected.probability.add(float(row.max()))
            expected.typicality.add(value)
    assert found.labels == expected.labels
    assert_same(found.probability, expected.probability)
    assert_same(found.typicality, expected.typicality)


def test_a_large_batch_is_counted_whole_but_for_typicality_which_is_that_of_rows_all_over_it() -> None:
    calibration, found = calibrated(99), AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=calibration), found)
    outputs = drawn(10 * ROWS_AT_ONCE, 0)
    outputs["atypicality"].sort()  # as in a file in some order

    answers.add(outputs)
    answers.add(drawn(5, 1))  # no room
    answers.count()
    assert found.labels.total() == 10 * ROWS_AT_ONCE + 5
    assert sum(found.typicality.counts) == ROWS_AT_ONCE
    expected = AnswerCounts()
    expected.typicality.add_many(*drift_counts(calibration, outputs["atypicality"][::10]))
    assert_same(found.typicality, expected.typicality)

    answers.add(drawn(5, 2))
    answers.count()
    assert sum(found.typicality.counts) == ROWS_AT_ONCE + 5


def drift_counts(calibration: Calibration, atypicality: Array) -> tuple[list[int], int, float]:
    values = calibration.typicality(atypicality)
    return [int((values <= bound).sum()) for bound in TYPICALITY_BOUNDS], len(values), float(values.sum())


def test_wide_rows_have_a_smaller_sample_because_their_features_are_kept() -> None:
    columns, found = 100_000, AnswerCounts()
    features = tuple(Feature(name=f"x{column}") for column in range(columns))
    answers = AnswerCounter(manifest(features=features, labels=LABELS, calibration=calibrated(9)), found)

    answers.add(drawn(100, 0))
    answers.count()

    assert sum(found.typicality.counts) == SAMPLE_BYTES // (4 * columns) == 10


def test_rows_whose_typicality_cannot_be_computed_are_told_and_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_features: object) -> dict[str, Array]:
        raise RuntimeError("no such row")

    found = AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=calibrated(9)), found)
    probabilities = drawn(3, 0)["probabilities"]
    answers.add(split(lambda _features: {"probabilities": probabilities}, fail)(np.zeros((3, 1), np.float32)))

    answers.count()

    assert found.labels.total() == 3
    assert sum(found.typicality.counts) == 0
    assert caplog.messages == ["typicality is not counted: The model cannot run these rows: no such row"]


def assert_same(found: Histogram, expected: Histogram) -> None:
    assert found.counts == expected.counts
    assert found.total == pytest.approx(expected.total)


def test_rows_are_kept_until_there_are_enough_to_count() -> None:
    counts = AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=None), counts)

    answers.add(drawn(ROWS_AT_ONCE - 1, 0))
    assert counts.labels.total() == 0
    answers.add(drawn(1, 1))
    assert counts.labels.total() == ROWS_AT_ONCE
    answers.count()
    assert counts.labels.total() == ROWS_AT_ONCE


def test_rows_whose_answer_was_refused_are_not_counted() -> None:
    counts = AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=None), counts)
    answers.add({"probabilities": np.array([[0.2, 0.1, 0.7], [np.nan] * 3], dtype=np.float32)})
    answers.count()

    assert counts.labels == {"c": 1}
    assert counts.probability.total == pytest.approx(0.7)


def test_rows_that_are_as_atypical_as_can_be_count_as_such() -> None:
    counts = AnswerCounts()
    answers = AnswerCounter(manifest(1, labels=LABELS, calibration=calibrated(99)), counts)
    probabilities = np.full((3, 3), 1 / 3, dtype=np.float32)
    answers.add({"probabilities": probabilities, "atypicality": np.array([np.nan, np.inf, 3e38], dtype=np.float32)})
    answers.count()

    assert counts.typicality.total == pytest.approx(3 / 100)
    assert counts.typicality.counts[TYPICALITY_BOUNDS.index(0.01)] == 3


def test_the_counts_of_two_workers_add_up() -> None:
    total, workers = AnswerCounts(), [AnswerCounts(), AnswerCounts()]
    for seed, counts in enumerate(workers):
        answers = AnswerCounter(manifest(1, labels=LABELS, calibration=calibrated(9)), counts)
        answers.add(drawn(10, seed))
        answers.count()
        counts.unknown["job"] = seed + 1
        total.merge(counts)

    assert total.unknown == {"job": 3}
    assert total.labels.total() == sum(total.probability.counts) == sum(total.typicality.counts) == 20
    assert len(total.probability.counts) == len(PROBABILITY_BOUNDS) + 1
