"""The section about prediction sets shows both kinds of coverage, and names the labels without a guarantee."""

from softmaxd.models.calibration import Calibration, Covered, Evaluation, LabelCalibration
from softmaxd_training.chance import coverage_by_chance
from softmaxd_training.coverage import section
from softmaxd_training.shares import MOST_LABELS, with_interval


def tables(shares: list[tuple[float | None, float | None]], rows: list[int], tests: list[int]) -> str:
    """Return the section for labels l0, l1 … with these marginal and own coverages, calibration and test rows."""
    labels = [LabelCalibration(rows=count, scores=(0.5,) if count else ()) for count in rows]
    calibration = Calibration(
        rows=sum(rows), temperature=1.0, scores=(0.5,), atypicality=(1.0,), by_label=tuple(labels)
    )
    marginal, by_class = zip(*shares, strict=True)
    evaluation = Evaluation(
        confusion=tuple((count,) for count in tests),
        reliability=(),
        reliability_before=(),
        prediction_sets=(Covered(coverage=0.9, measured=0.91, labels=1.25, by_label=marginal),),
        prediction_sets_by_class=(Covered(coverage=0.9, measured=0.92, labels=1.5, by_label=by_class),),
        typicality=(sum(tests),),
    )
    return section(calibration, evaluation, [f"l{index}" for index in range(len(rows))])


def test_both_kinds_of_coverage_are_shown_on_average_and_for_each_label() -> None:
    text = tables([(0.8, 0.9), (0.95, 1.0), (0.5, 0.6), (None, None)], [9, 200, 8, 40], [20, 60, 2, 0])

    low, high = coverage_by_chance(257, 82, 0.9)
    assert f"| 90% | {with_interval(0.91, 82)} | {low:.1%} to {high:.1%} | 1.25 |" in text
    assert f"| 90% | {with_interval(0.92, 82)} | 1.50 | l2 |" in text
    (least, most), (low, high) = coverage_by_chance(9, 20, 0.9), coverage_by_chance(200, 60, 0.9)
    assert "of 90%, measured among the test rows of each label, with" in text
    assert text.splitlines()[-4:] == [
        f"| l0 | 9 | 20 | 80.0% (56.3% to 94.3%) | 90.0% (68.3% to 98.8%) | {least:.1%} to {most:.1%} |",
        f"| l1 | 200 | 60 | 95.0% (86.1% to 99.0%) | 100.0% (94.0% to 100.0%) | {low:.1%} to {high:.1%} |",
        "| l2 | 8 | 2 | 50.0% (1.3% to 98.7%) | 60.0% (1.3% to 98.7%) | not guaranteed |",
        "| l3 | 40 | 0 | – | – | – |",
    ]


def test_no_label_is_named_if_each_has_enough_rows() -> None:
    assert f"| 90% | {with_interval(0.92, 10)} | 1.50 | – |" in tables([(0.9, 0.9)] * 2, [9, 9], [5, 5])


def test_of_many_labels_those_with_the_lowest_coverage_are_shown() -> None:
    labels = MOST_LABELS + 3
    shares: list[tuple[float | None, float | None]] = [(1 - index / 100, 0.9) for index in range(labels - 1)]

    text = tables([*shares, (None, None)], [8] * labels, [*[1] * (labels - 1), 0])

    assert "of 90%, measured among the test rows of the 12 labels with the lowest marginal\ncoverage, with" in text
    assert "| l0, l1, l2, l3, l4, l5, l6, l7, l8, l9, l10, l11 and 3 more |" in text
    shown = [line.split(" | ")[0] for line in text.splitlines()[-MOST_LABELS:]]
    assert shown == [f"| l{index}" for index in range(labels - 2, 1, -1)]
