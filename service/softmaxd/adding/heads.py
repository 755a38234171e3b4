"""Finds out which outputs of a graph are its logits and its probabilities: by their numbers, not by their names."""

from collections.abc import Mapping

import numpy as np

from softmaxd.adding.graphs import Heads, Input
from softmaxd.adding.running import TOLERANCE, Outputs, Values, are_near, fixed_rows, shape_text
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.numerics.softmax import Softmax

SUM_TOLERANCE = 1e-3  # of the sum of a row of probabilities


def are_scores(values: Values, rows: int) -> bool:
    """Return whether an output is a table of floating-point numbers [rows, classes], with two classes or more."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:  # noqa: PLR2004 - a table
        return False  # ONNX Runtime gives a list for a sequence
    return bool(values.shape[0] == rows and values.shape[1] > 1)


def no_scores(engine: Engine, outputs: Outputs, source: Input) -> Refused:
    """Return the error for a graph none of whose outputs is a table of numbers [n, classes]."""
    for name, (kind, _) in engine.outputs.items():
        if kind.startswith(("seq", "map")):
            return Refused(f"output {name} is {kind}: it must be a table of numbers [n, classes]")
    for name, values in outputs.items():
        if values.dtype.kind == "f" and values.shape in {(len(values),), (len(values), 1)}:
            return Refused(
                f"output {name} is one number per row: a classifier of two classes with one sigmoid must give both "
                "probabilities, [1 - p, p]"
            )
    found = ", ".join(f"{name} {kind} {shape_text(shape)}" for name, (kind, shape) in engine.outputs.items())
    return fixed_rows(source) or Refused(f"no output is a table of numbers [n, classes]; the outputs are {found}")


def find_heads(scores: Outputs, outputs: Outputs, softmax_inputs: Mapping[str, str]) -> tuple[Heads, tuple[str, str]]:
    """Return the tensors that are the logits and the probabilities, and a note on each.

    `scores` are the outputs of the graph that are tables [n, classes], `outputs` all of its outputs and the inputs of
    its softmaxes, `softmax_inputs` the names of the latter by the output of their softmax. Raises `Refused` if the
    choice is not clear.
    """
    likely = [name for name, values in scores.items() if _are_probabilities(values)]
    if not likely:
        name = _find_logits(scores)
        notes = (
            f"logits: the output {name}; its rows do not sum to 1",
            "probabilities: added as the softmax of the logits",
        )
        return _heads(outputs, name, None), notes
    if len(likely) > 1:
        raise Refused(f"several outputs could be the probabilities ({', '.join(likely)}): export only one of them")
    name = likely[0]
    note = f"probabilities: the output {name}; its rows lie in [0, 1] and sum to 1"
    for other in (softmax_inputs.get(name, ""), *scores):
        if other in outputs and other != name and _is_softmax(scores[name], outputs[other]):
            place = f"the output {other}" if other in scores else f"the tensor {other} inside the graph"
            return _heads(outputs, other, name), (f"logits: {place}; its softmax gives the probabilities", note)
    added = "logits: added as ln(probabilities); -87.3 where a probability is below 1.2e-38"
    return _heads(outputs, None, name), (added, note)


def _heads(outputs: Outputs, logits: str | None, probabilities: str | None) -> Heads:
    found = [outputs[name] for name in (logits, probabilities) if name is not None]
    return Heads(logits, probabilities, found[0].shape[1], all(values.dtype == np.float32 for values in found))


def _find_logits(scores: Outputs) -> str:
    """Return the one output that can be the logits. Raises `Refused` if there are several, or if it cannot be."""
    if len(scores) > 1:
        raise Refused(f"several outputs could be the logits ({', '.join(scores)}): export only one of them")
    ((name, values),) = scores.items()
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        raise Refused(f"output {name} is not finite for any of the rows that were tried")
    if finite.min() >= 0 and finite.max() <= 1:
        raise Refused(
            f"output {name} lies in [0, 1], but its rows do not sum to 1: multi-label models (one sigmoid per label) "
            "are not supported; if it is a softmax, check its axis"
        )
    if finite.shape[1] == 2 and np.array_equal(finite[:, 0], -finite[:, 1]):  # noqa: PLR2004 - two classes
        raise Refused(
            f"output {name} is [-s, s], the decision function of two classes, and its softmax is not their "
            "probabilities: export the probabilities (skl2onnx: without raw_scores)"
        )
    return name


def _are_probabilities(values: Values) -> bool:
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite) or finite.min() < 0 or finite.max() > 1 + TOLERANCE:
        return False
    return bool(np.abs(finite.sum(axis=1) - 1).max() < SUM_TOLERANCE)


def _is_softmax(probabilities: Values, logits: Values) -> bool:
    if probabilities.shape != logits.shape or logits.dtype.kind != "f":
        return False
    finite = np.isfinite(logits).all(axis=1)
    expected = Softmax(logits[finite].astype(np.float64)).probabilities
    return bool(finite.any()) and are_near(expected, probabilities[finite])
