"""The section of a card about prediction sets: how often they hold the true label, on average and for each label."""

import math
from collections.abc import Sequence

from softmaxd.models.calibration import Calibration, Covered, Evaluation
from softmaxd_training import templates
from softmaxd_training.chance import coverage_by_chance
from softmaxd_training.shares import MOST_LABELS, with_interval

SHOWN = 0.9  # the coverage that is shown for each label


def section(calibration: Calibration, evaluation: Evaluation, labels: Sequence[str]) -> str:
    """Return the section; the labels are in Markdown. The calibration scores are known by label."""
    assert evaluation.prediction_sets_by_class is not None
    test_rows = sum(evaluation.typicality)
    by_class = [_by_class(row, calibration, test_rows, labels) for row in evaluation.prediction_sets_by_class]
    shown = templates.OF_LOWEST_LABELS if len(labels) > MOST_LABELS else templates.OF_EACH_LABEL
    return templates.PREDICTION_SETS.format(
        marginal="\n".join(_marginal(row, calibration.rows, test_rows) for row in evaluation.prediction_sets),
        rows=calibration.rows,
        test_rows=test_rows,
        most=calibration.most_coverage,
        by_class="\n".join(by_class),
        shown=shown.format(coverage=SHOWN, number=MOST_LABELS).strip(),
        labels="\n".join(_lines(calibration, evaluation, labels)),
    )


def _marginal(row: Covered, calibration_rows: int, test_rows: int) -> str:
    chance = _range(calibration_rows, test_rows, row.coverage)
    return f"| {row.coverage:.0%} | {with_interval(row.measured, test_rows)} | {chance} | {row.labels:.2f} |"


def _by_class(row: Covered, calibration: Calibration, test_rows: int, labels: Sequence[str]) -> str:
    missed = [labels[index] for index in calibration.thresholds(row.coverage, "class").not_guaranteed]
    more = f" and {len(missed) - MOST_LABELS} more" if len(missed) > MOST_LABELS else ""
    named = ", ".join(missed[:MOST_LABELS]) or "–"
    share = with_interval(row.measured, test_rows)
    return f"| {row.coverage:.0%} | {share} | {row.labels:.2f} | {named}{more} |"


def _lines(calibration: Calibration, evaluation: Evaluation, labels: Sequence[str]) -> list[str]:
    """Return a line for each label, or, if there are many, for those with the lowest marginal coverage."""
    assert calibration.by_label is not None
    assert evaluation.prediction_sets_by_class is not None
    rows = [label.rows for label in calibration.by_label]
    test_rows = [sum(counts) for counts in evaluation.confusion]
    marginal, by_class = _shares(evaluation.prediction_sets), _shares(evaluation.prediction_sets_by_class)
    missed = calibration.thresholds(SHOWN, "class").not_guaranteed
    chances = [
        templates.NOT_GUARANTEED if index in missed else _range(rows[index], test_rows[index], SHOWN)
        for index in range(len(labels))
    ]
    columns = zip(labels, rows, test_rows, marginal, by_class, chances, strict=True)
    lowest = columns if len(labels) <= MOST_LABELS else sorted(columns, key=lambda column: column[3])[:MOST_LABELS]
    return [
        f"| {label} | {known} | {tested} | {with_interval(share, tested)} | {with_interval(own, tested)} | {chance} |"
        for label, known, tested, share, own, chance in lowest
    ]


def _shares(rows: Sequence[Covered]) -> list[float]:
    """Return the coverage of each label that is shown; infinite for a label without test rows."""
    (found,) = [row.by_label for row in rows if row.coverage == SHOWN]
    assert found is not None
    return [math.inf if share is None else share for share in found]


def _range(calibration_rows: int, test_rows: int, coverage: float) -> str:
    if not test_rows:
        return "–"
    low, high = coverage_by_chance(calibration_rows, test_rows, coverage)
    return f"{low:.1%} to {high:.1%}"
