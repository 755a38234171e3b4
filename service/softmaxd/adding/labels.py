"""Chooses the labels of an added model, and compares the labels that the file itself gives with those to be served.

The labels are those that the user gives, the graph's own, or numbered ones.
"""

from collections.abc import Sequence

import numpy as np

from softmaxd.adding import graphs
from softmaxd.adding.features import row_text
from softmaxd.adding.graphs import Graph
from softmaxd.adding.inspection import Findings
from softmaxd.adding.operators import origin
from softmaxd.adding.running import TOLERANCE, Values
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed

Labels = Sequence[str]
Own = Sequence[str | None]  # the file's own labels; None for a class whose label it does not show


def choose_labels(given: Labels | None, model: Graph, findings: Findings) -> tuple[Labels, tuple[str, ...]]:
    """Return the labels in the order of the classes, and notes on their origin and on the labels that the file gives.

    Raises `Refused` if the given labels are too many, too few, or the graph's own in another order, or if the file
    itself gives another label for a row that was tried.
    """
    classes = findings.heads.classes
    lists = sorted(graphs.label_lists(model, classes))
    own, notes = _compare(lists, model, findings)
    if given is not None:
        if len(given) != classes:
            raise Refused(f"--labels needs {classes} names, one per class, but has {len(given)}")
        if _are_moved(own, given):
            names = ", ".join("…" if label is None else label for label in own)
            raise Refused(f"--labels has the model's own labels in another order: they are {names}")
        return given, ("labels: as given", *notes)
    known = tuple(label for label in own if label is not None)
    if len(known) == classes:
        return known, ("labels: the model's own", *notes)
    reason = f"the file shows only {len(known)} of its {classes}: {listed(known)}" if known else "the model has none"
    return [f"class-{index}" for index in range(classes)], (f"labels: numbered, because {reason}", *notes)


def _are_moved(own: Own, given: Labels) -> bool:
    """Return whether all own labels that are known are among the given ones, but not all at their places."""
    known = {label for label in own if label is not None}
    return known <= set(given) and any(label not in {None, name} for label, name in zip(own, given, strict=True))


def _compare(lists: Sequence[Labels], model: Graph, findings: Findings) -> tuple[Own, tuple[str, ...]]:
    """Return the file's own labels, and a note on each output whose labels may differ.

    They are one of the lists, or those that an output shows. Raises `Refused` if a label in an output is not that of
    the class with the highest score, ties aside.
    """
    best, clear = _winners(findings.scores)
    own: Own = [None] * findings.heads.classes
    notes = []
    witnesses = {name: _texts(values) for name, values in findings.outputs.items() if _are_labels(values, len(best))}
    for name, texts in witnesses.items():
        known = [labels for labels in lists if set(texts) <= set(labels)]
        chosen = min(known, key=lambda labels: len(_differing(texts, labels, best, clear)), default=None)
        shown: Own = chosen if chosen is not None else _observed(texts, best, clear, len(own))
        if chosen is not None or shown != _numbers(len(own)):
            own = shown
        named = [f"class-{index}" if label is None else label for index, label in enumerate(shown)]
        if differing := _differing(texts, named, best, clear):
            counted = f"{len(differing)} of the {len(best)} rows that were tried"
            if not _has_votes(model, findings):
                row = differing[0]
                raise _disagreement(
                    name,
                    texts[row],
                    named[best[row]],
                    row_text(findings.rows[row].tolist(), findings.features),
                    counted,
                )
            notes.append(
                f"labels: the most probable; the output {name} has others in {counted}, by the votes of an SVM"
            )
    if not witnesses and len(lists) == 1:
        own = lists[0]
    return own, tuple(notes)


def _winners(scores: Values) -> tuple[list[int], list[int]]:
    """Return the class with the highest score for each row [n, classes], and the rows where no other is as high."""
    ranked = np.sort(scores, axis=1)
    size = np.abs(ranked[np.isfinite(ranked)]).max(initial=1.0)
    with np.errstate(invalid="ignore"):  # two infinities are no clear winner
        clear = np.flatnonzero(ranked[:, -1] - ranked[:, -2] > TOLERANCE * size)
    return np.argmax(scores, axis=1).tolist(), clear.tolist()


def _are_labels(values: object, rows: int) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind != "f" and values.size == rows


def _texts(values: Values) -> list[str]:
    return [graphs.label_text(value) for value in values.ravel()]


def _differing(texts: Labels, labels: Labels, best: Sequence[int], clear: Sequence[int]) -> list[int]:
    """Return the rows whose text is not the label of their best class, among those where that is clear."""
    return [row for row in clear if texts[row] != labels[best[row]]]


def _observed(texts: Labels, best: Sequence[int], clear: Sequence[int], classes: int) -> Own:
    """Return a label for each class where no list has them: its number, or else the first text it has for itself."""
    if set(texts) <= set(_numbers(classes)):
        return _numbers(classes)
    labels: dict[int, str] = {}
    for row in clear:
        if texts[row] not in labels.values():
            labels.setdefault(best[row], texts[row])
    return [labels.get(index) for index in range(classes)]


def _numbers(classes: int) -> Labels:
    return [str(index) for index in range(classes)]


def _has_votes(model: Graph, findings: Findings) -> bool:
    name = findings.heads.probabilities
    return name is not None and origin(model, name).has_votes


def _disagreement(name: str, found: str, served: str, row: str, counted: str) -> Refused:
    return Refused(
        f"the output {name} says {found} for the row {row}, but {served} would be served, which has the highest "
        f"score; they differ in {counted}: the scores are not those of the labels in order; if the scores are right "
        "and the label is not, export the model without the label"
    )
