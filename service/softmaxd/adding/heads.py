"""Finds out which outputs of a graph are logits and probabilities, for `softmaxd models add`: by their numbers."""

from collections.abc import Mapping

import numpy as np

from softmaxd.adding.graphs import Heads, Source
from softmaxd.adding.running import DRIFT, Outputs, Values, are_near, say_shape, takes_fixed_rows
from softmaxd.models.engine import Engine
from softmaxd.models.publishing import Refused
from softmaxd.numerics.softmax import Softmax

SUM_ERROR = 1e-3  # of the probabilities of a row


def are_scores(values: Values, rows: int) -> bool:
    """Whether it is a table of numbers [rows, classes]; what ONNX Runtime gives for a ZipMap is no array."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:  # noqa: PLR2004
        return False
    return bool(values.shape[0] == rows and values.shape[1] > 1)


def no_scores(engine: Engine, outputs: Outputs, source: Source) -> Refused:
    """Return the error for a graph without a table of numbers [n, classes]."""
    for name, (kind, _) in engine.outputs.items():
        if kind.startswith(("seq", "map")):
            return Refused(
                f"its output {name} is a list of dictionaries (ZipMap): convert it with options={{'zipmap': False}}"
            )
    for name, values in outputs.items():
        if values.dtype.kind == "f" and values.shape in {(len(values),), (len(values), 1)}:
            return Refused(
                f"its output {name} is one number a row: a classifier of two classes by one sigmoid must give both "
                "probabilities, [1 - p, p]"
            )
    found = ", ".join(f"{name} {kind} {say_shape(shape)}" for name, (kind, shape) in engine.outputs.items())
    return takes_fixed_rows(source) or Refused(f"none of its outputs is a table of numbers [n, classes]: {found}")


def find_heads(scores: Outputs, outputs: Outputs, softmax_inputs: Mapping[str, str]) -> tuple[Heads, tuple[str, str]]:
    """Return which tensors are the logits and the probabilities, and the words that say so."""
    likely = [name for name, values in scores.items() if _are_probabilities(values)]
    if not likely:
        name = _find_logits(scores)
        notes = f"logits: the output {name}, whose rows do not sum to 1", "probabilities: added, as their softmax"
        return _heads(outputs, name, None), notes
    if len(likely) > 1:
        raise Refused(f"it has several outputs that could be the probabilities ({', '.join(likely)}): one is needed")
    name = likely[0]
    said = f"probabilities: the output {name}, whose rows lie in [0, 1] and sum to 1"
    for other in (softmax_inputs.get(name, ""), *scores):
        if other in outputs and other != name and _is_softmax(scores[name], outputs[other]):
            where = "the output" if other in scores else "inside the graph,"
            return _heads(outputs, other, name), (f"logits: {where} {other}, whose softmax the probabilities are", said)
    added = "logits: added, as ln(probabilities); where a probability is below 1.2e-38, it is -87.3"
    return _heads(outputs, None, name), (added, said)


def _heads(outputs: Outputs, logits: str | None, probabilities: str | None) -> Heads:
    found = [outputs[name] for name in (logits, probabilities) if name is not None]
    return Heads(logits, probabilities, found[0].shape[1], all(values.dtype == np.float32 for values in found))


def _find_logits(scores: Outputs) -> str:
    if len(scores) > 1:
        raise Refused(f"it has several outputs that could be the logits ({', '.join(scores)}): one is needed")
    ((name, values),) = scores.items()
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        raise Refused(f"its output {name} is not finite for any of the rows that were tried")
    if finite.min() >= 0 and finite.max() <= 1:
        raise Refused(
            f"its output {name} lies in [0, 1], but its rows do not sum to 1: labels that do not exclude each other, "
            "by a sigmoid each, are not served (or is a softmax along the wrong axis?)"
        )
    if finite.shape[1] == 2 and np.array_equal(finite[:, 0], -finite[:, 1]):  # noqa: PLR2004 - two classes
        raise Refused(
            f"its output {name} is [-s, s], the decision function of two classes, whose softmax is not their "
            "probabilities: export the probabilities (skl2onnx: without raw_scores)"
        )
    return name


def _are_probabilities(values: Values) -> bool:
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite) or finite.min() < 0 or finite.max() > 1 + DRIFT:
        return False
    return bool(np.abs(finite.sum(axis=1) - 1).max() < SUM_ERROR)


def _is_softmax(probabilities: Values, logits: Values) -> bool:
    if probabilities.shape != logits.shape or logits.dtype.kind != "f":
        return False
    finite = np.isfinite(logits).all(axis=1)
    expected = Softmax(logits[finite].astype(np.float64)).probabilities
    return bool(finite.any()) and are_near(expected, probabilities[finite])
