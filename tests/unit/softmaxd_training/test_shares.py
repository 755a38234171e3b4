"""Shares are written with their intervals, and each label with its recall and precision."""

from softmaxd.models.calibration import Evaluation
from softmaxd_training.shares import MOST_LABELS, by_label, with_interval


def evaluation_of(confusion: list[list[int]]) -> Evaluation:
    return Evaluation(
        confusion=tuple(map(tuple, confusion)),
        reliability=(),
        reliability_before=(),
        prediction_sets=(),
        typicality=(1,),
    )


def test_a_share_has_its_interval() -> None:
    assert with_interval(0.9, 20) == "90.0% (68.3% to 98.8%)"
    assert with_interval(1.0, 30) == "100.0% (88.4% to 100.0%)"
    assert with_interval(0.0, 0) == "–"


def test_each_label_has_recall_and_precision() -> None:
    text = by_label(evaluation_of([[18, 2, 0], [3, 7, 0], [0, 0, 0]]), ["a", "b", "c"])

    assert text.splitlines()[-3:] == [
        "| a | 20 | 90.0% (68.3% to 98.8%) | 21 | 85.7% (63.7% to 97.0%) |",
        "| b | 10 | 70.0% (34.8% to 93.3%) | 9 | 77.8% (40.0% to 97.2%) |",
        "| c | 0 | – | 0 | – |",
    ]


def test_of_many_labels_those_with_the_lowest_recall_are_shown() -> None:
    labels = MOST_LABELS + 3
    confusion = [[0] * labels for _ in range(labels)]
    for index in range(labels - 1):  # the last label has no test rows
        confusion[index][index] = 20 - index
        confusion[index][0] += index

    lines = by_label(evaluation_of(confusion), [f"l{index}" for index in range(labels)]).splitlines()

    assert lines[0].startswith("The 12 labels with the lowest recall.")
    assert [line.split(" | ")[0] for line in lines[-MOST_LABELS:]] == [f"| l{n}" for n in range(labels - 2, 1, -1)]
