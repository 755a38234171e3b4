"""Chooses the labels of an added model: those that the user gives, the graph's own, or numbered ones."""

from collections.abc import Sequence

import numpy as np

from softmaxd.adding import graphs
from softmaxd.adding.graphs import Graph
from softmaxd.adding.inspection import Findings
from softmaxd.adding.running import TOLERANCE
from softmaxd.errors import Refused


def choose_labels(given: Sequence[str] | None, model: Graph, findings: Findings) -> tuple[Sequence[str], str]:
    """Return the labels in the order of the classes, and a note on their origin.

    Raises `Refused` if the given labels are too many, too few, or the graph's own in another order.
    """
    classes = findings.heads.classes
    lists = [labels for labels in graphs.label_lists(model, classes) if _agree(labels, findings)]
    own = lists[0] if len(lists) == 1 else None
    if given is not None:
        if len(given) != classes:
            raise Refused(f"--labels needs {classes} names, one per class, but has {len(given)}")
        if own is not None and sorted(own) == sorted(given) and list(own) != list(given):
            raise Refused(f"--labels has the model's own labels in another order: they are {', '.join(own)}")
        return given, "labels: as given"
    if own is not None:
        return own, "labels: the model's own"
    return [f"class-{index}" for index in range(classes)], "labels: numbered, because the model has none"


def _agree(labels: Sequence[str], findings: Findings) -> bool:
    """Return whether the outputs that are labels, if any, name the class with the highest score, ties aside."""
    best = np.argmax(findings.scores, axis=1)
    ranked = np.sort(findings.scores, axis=1)
    clear = np.flatnonzero(ranked[:, -1] - ranked[:, -2] > TOLERANCE)
    for values in findings.outputs.values():
        if isinstance(values, np.ndarray) and values.dtype.kind != "f" and values.size == len(best):
            named = values.ravel()
            if any(graphs.label_text(named[row]) != labels[best[row]] for row in clear):
                return False
    return True
