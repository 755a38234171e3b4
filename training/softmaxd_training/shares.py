"""Writes shares with their confidence intervals, and the precision and recall of each label."""

from collections.abc import Sequence

from softmaxd.models.calibration import Evaluation
from softmaxd_training import templates
from softmaxd_training.chance import share_by_chance

MOST_LABELS = 12  # in a table of a card


def with_interval(share: float, rows: int, digits: int = 1) -> str:
    """Return a share of so many rows with its 95 % confidence interval, in per cent; a dash if there are no rows."""
    if not rows:
        return "–"
    low, high = share_by_chance(round(share * rows), rows)
    return f"{share:.{digits}%} ({low:.{digits}%} to {high:.{digits}%})"


def by_label(evaluation: Evaluation, labels: Sequence[str]) -> str:
    """Return the recall and precision of each label, in Markdown as the labels are.

    If there are many labels, those with the lowest recall are shown; those without test rows come last.
    """
    found = [(labels[index], *_counts(evaluation.confusion, index)) for index in range(len(labels))]
    if len(labels) > MOST_LABELS:
        found = sorted(found, key=lambda line: line[1] / line[2] if line[2] else 2.0)[:MOST_LABELS]
    shown = templates.LOWEST_RECALL.format(number=MOST_LABELS) if len(labels) > MOST_LABELS else templates.EACH_LABEL
    lines = [
        f"| {label} | {rows} | {_share(right, rows)} | {given} | {_share(right, given)} |"
        for label, right, rows, given in found
    ]
    return templates.BY_LABEL.format(shown=shown, rows="\n".join(lines))


def _counts(confusion: Sequence[Sequence[int]], index: int) -> tuple[int, int, int]:
    """Return how many rows a label was rightly given to, how many have it, and how many it was given to."""
    return confusion[index][index], sum(confusion[index]), sum(row[index] for row in confusion)


def _share(hits: int, rows: int) -> str:
    return with_interval(hits / max(rows, 1), rows)
