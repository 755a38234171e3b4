"""Chooses the labels of an added model: those that are given, the graph's own, or numbers."""

from collections.abc import Sequence

import numpy as np

from softmaxd.adding import graphs
from softmaxd.adding.graphs import Graph
from softmaxd.adding.inspection import Findings
from softmaxd.adding.running import DRIFT
from softmaxd.models.publishing import Refused


def choose_labels(labels: Sequence[str] | None, model: Graph, findings: Findings) -> tuple[Sequence[str], str]:
    """Return the labels, and the words that say where they come from."""
    classes = findings.heads.classes
    lists = [own for own in graphs.label_lists(model, classes) if _agree(own, findings)]
    own = lists[0] if len(lists) == 1 else None
    if labels is not None:
        if len(labels) != classes:
            raise Refused(f"--labels has {len(labels)} names, but there are {classes} classes")
        if own is not None and sorted(own) == sorted(labels) and list(own) != list(labels):
            raise Refused(f"--labels has the model's own labels in another order: they are {', '.join(own)}")
        return labels, "labels: as given"
    if own is not None:
        return own, "labels: the model's own"
    return [f"class-{index}" for index in range(classes)], "labels: numbered, as the model names none"


def _agree(labels: Sequence[str], findings: Findings) -> bool:
    """Whether the graph gives these labels where it gives labels, for every row that has one highest score."""
    best = np.argmax(findings.scores, axis=1)
    ranked = np.sort(findings.scores, axis=1)
    clear = np.flatnonzero(ranked[:, -1] - ranked[:, -2] > DRIFT)
    for values in findings.outputs.values():
        if isinstance(values, np.ndarray) and values.dtype.kind != "f" and values.size == len(best):
            given = values.ravel()
            if any(graphs.label_text(given[row]) != labels[best[row]] for row in clear):
                return False
    return True
