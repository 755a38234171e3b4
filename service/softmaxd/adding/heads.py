"""Finds out which outputs of a graph are its logits and its probabilities: by their numbers, not by their names."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from softmaxd.adding.graphs import MANY_CLASSES, Heads
from softmaxd.adding.operators import Origin
from softmaxd.adding.running import Outputs, Values, are_near, fixed_rows, shape_text
from softmaxd.adding.tables import Source
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.numerics.softmax import Softmax

# By how much float arithmetic may take probabilities out of [0, 1], and their sum from 1: n float32 numbers whose sizes
# sum to 1 are added with an error of at most n · 2⁻²⁴ (N. J. Higham, "Accuracy and Stability of Numerical Algorithms",
# 2nd ed., section 4.2), here for forests of up to 2¹⁴ trees. Rounding each to float16 changes their sum by 2⁻¹¹.
ROUNDING = 2.0**-10
EXACT = 2.0**-21  # a sum this near to 1 is served as it is: half of the promised 1e-6, as other rows may be worse

ROUNDED_PERCENTAGES = 0.06  # by how much the sums of these may differ, relative to 100: by a half for each class
SCALES: Mapping[str, Callable[[Values], Values]] = {  # on which probabilities are no logits, with the way back
    "−ln p": lambda scores: np.exp(-scores),
    "log2 p": np.exp2,
    "log10 p": lambda scores: np.power(10.0, scores),
    "the odds p / (1 − p)": lambda scores: np.where(scores >= 0, scores / (1 + np.abs(scores)), -1.0),
    "ln(p / (1 − p))": lambda scores: 1 / (1 + np.exp(-scores)),
}

ADDED_SOFTMAX = "probabilities: added as the softmax of the logits"
ASSUMED = (
    f"{ADDED_SOFTMAX}, which is wrong for a multi-label network or a regression: "
    "--logits {name} says that it is neither"
)
ADDED_LOGITS = "logits: added as ln(probabilities); -87.3 where a probability is below 1.2e-38"
REGRESSION = (
    "; the file is a regression ({regressor}): these are probabilities if it was fitted to one 1 in each row, "
    "at the label, and 0 elsewhere"
)
CALIBRATED = "CalibratedClassifierCV(classifier), or make_pipeline(…, CalibratedClassifierCV(classifier))"
CURE = (  # of scores that are no probabilities
    f"export probabilities that sum to 1 (scikit-learn: of {CALIBRATED}, without raw_scores); "
    "or let rows with labels make probabilities of it: --logits {name} --calibration FILE --target COLUMN; "
    "if its softmax is the probabilities, say so with --logits {name}"
)


def are_scores(values: Values, rows: int) -> bool:
    """Return whether an output is a table of floating-point numbers [rows, classes], with two classes or more."""
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != 2:  # noqa: PLR2004 - a table
        return False  # ONNX Runtime gives a list for a sequence
    return bool(values.shape[0] == rows and values.shape[1] > 1)


def no_scores(engine: Engine, outputs: Outputs, source: Source, origins: Mapping[str, Origin]) -> Refused:
    """Return the error for a graph none of whose outputs, by their origins, is a table of numbers [n, classes]."""
    for name, (kind, _) in engine.outputs.items():
        if kind.startswith(("seq", "map")):
            return Refused(f"output {name} is {kind}: it must be a table of numbers [n, classes]")
    single = [name for name, values in outputs.items() if values.dtype.kind == "f" and values.size == len(values)]
    if len(single) > 1:
        return Refused(
            f"outputs {', '.join(single)} are one number per row: make one output of them, [n, classes] "
            "(skl2onnx: options={'zipmap': False})"
        )
    if single and origins[single[0]].is_regression:
        scorer = origins[single[0]].scorer
        return Refused(f"output {single[0]} is one number per row, of a regression ({scorer}): export a classifier")
    if single:
        return Refused(
            f"output {single[0]} is one number per row: a classifier of two classes must give both probabilities, "
            f"[1 - p, p]; of a decision function, export {CALIBRATED}"
        )
    found = ", ".join(f"{name} {kind} {shape_text(shape)}" for name, (kind, shape) in engine.outputs.items())
    return fixed_rows(source) or Refused(f"no output is a table of numbers [n, classes]; the outputs are {found}")


def find_heads(
    scores: Outputs,
    outputs: Outputs,
    softmax_inputs: Mapping[str, str],
    origins: Mapping[str, Origin],
    *,
    told: str | None = None,
) -> tuple[Heads, tuple[str, str]]:
    """Return the tensors that are the logits and the probabilities, and a note on each.

    `scores` are the outputs of the graph that are tables [n, classes], and `origins` theirs; `outputs` all of its
    outputs and the inputs of its softmaxes, `softmax_inputs` the names of the latter by the output of their softmax;
    `told` is the output that is the logits as the user says. Raises `Refused` if the choice is not clear.
    """
    scores = _of_classes(scores, origins)
    likely = [name for name, values in scores.items() if are_probabilities(values)]
    if told is not None:
        likely = _probabilities_of(told, likely, scores)
    if not likely:
        name = told or _find_logits(scores, origins)
        _check_finite(name, scores[name])
        reason = "as --logits says" if told else "its rows do not sum to 1"
        added = ADDED_SOFTMAX if told or _is_sure(scores[name], outputs) else ASSUMED.format(name=name)
        return _heads(outputs, name, None), (f"logits: the output {name}; {reason}", added)
    if len(likely) > 1:
        raise Refused(f"several outputs could be the probabilities ({', '.join(likely)}): export only one of them")
    name = likely[0]
    is_rounded, note = _describe_rounding(name, scores[name], origins[name])
    if regressor := origins[name].regressor:
        note += REGRESSION.format(regressor=regressor)
    for other in (softmax_inputs.get(name, ""), *scores):
        if other in outputs and other != name and _is_softmax(scores[name], outputs[other]):
            place = f"the output {other}" if other in scores else f"the tensor {other} inside the graph"
            heads = _heads(outputs, other, name, is_rounded=is_rounded)
            return heads, (f"logits: {place}; its softmax gives the probabilities", note)
    return _heads(outputs, None, name, is_rounded=is_rounded), (ADDED_LOGITS, note)


def _of_classes(scores: Outputs, origins: Mapping[str, Origin]) -> Outputs:
    """Return the outputs whose columns are classes. Raises `Refused` if there is none."""
    kept = {name: values for name, values in scores.items() if not origins[name].is_sorted}
    if not kept:
        raise Refused(
            f"output {next(iter(scores))} is sorted, so its columns are places and not classes: "
            "export the scores of all classes in the order of the labels"
        )
    return kept


def _heads(outputs: Outputs, logits: str | None, probabilities: str | None, *, is_rounded: bool = False) -> Heads:
    found = [outputs[name] for name in (logits, probabilities) if name is not None]
    are_float32 = all(values.dtype == np.float32 for values in found)
    return Heads(logits, probabilities, found[0].shape[1], are_float32, is_rounded)


def _is_sure(logits: Values, outputs: Outputs) -> bool:
    """Return whether they are logs of probabilities, or an output has labels, which are compared with them."""
    kinds = [values.dtype.kind for values in outputs.values() if isinstance(values, np.ndarray)]
    return set(kinds) != {"f"} or are_probabilities(np.exp(np.minimum(logits.astype(np.float64), 1.0)))


def _probabilities_of(logits: str, likely: Sequence[str], scores: Outputs) -> list[str]:
    """Return the output that has the softmax of the logits, if there are probabilities.

    Raises `Refused` if there are other probabilities only, or if the logits are no logits.
    """
    if logits not in scores:
        names = ", ".join(scores)
        raise Refused(f"--logits {logits}: no such output is a table of numbers [n, classes]; these are: {names}")
    if logits in likely:
        raise Refused(f"--logits {logits}: its rows lie in [0, 1] and sum to 1, so it has probabilities")
    found = [name for name in likely if _is_softmax(scores[name], scores[logits])]
    if likely and not found:
        raise Refused(f"--logits {logits}: its softmax is not the probabilities that the output {likely[0]} has")
    return found[:1]


def _find_logits(scores: Outputs, origins: Mapping[str, Origin]) -> str:
    """Return the one output that can be the logits. Raises `Refused` if there are several, or if it cannot be."""
    if len(scores) > 1:
        raise Refused(
            f"several outputs could be the logits ({', '.join(scores)}): export only one of them, "
            "or name it with --logits"
        )
    ((name, values),) = scores.items()
    finite = _check_finite(name, values)
    if reason := _doubt(finite, origins[name]):
        raise Refused(f"output {name} {reason.format(name=name)}")
    return name


def _check_finite(name: str, values: Values) -> Values:
    """Return the rows that are finite. Raises `Refused` if there is none."""
    finite = values[np.isfinite(values).all(axis=1)]
    if not len(finite):
        raise Refused(f"output {name} is not finite for any of the rows that were tried")
    return np.asarray(finite)


def _doubt(finite: Values, source: Origin) -> str:
    """Return the reason why numbers [n, classes] that are no probabilities may be no logits either; "" without one."""
    if source.is_regression:
        return f"is a regression ({source.scorer}), not the probabilities of classes"
    if finite.min() >= -ROUNDING and finite.max() <= 1 + ROUNDING:
        return (
            "lies in [0, 1], but its rows do not sum to 1: multi-label models (one sigmoid per label) are not "
            "supported; if it is a softmax, check its axis"
        )
    if finite.shape[1] == 2 and np.array_equal(finite[:, 0], -finite[:, 1]):  # noqa: PLR2004 - two classes
        return f"is [-s, s], the decision function of two classes, and its softmax is not their probabilities: {CURE}"
    if source.scorer:
        return (
            f"has scores of {source.scorer}, such as a decision function or distances, whose softmax is not the "
            f"probabilities: {CURE}"
        )
    return _doubt_scale(finite)


def _doubt_scale(finite: Values) -> str:
    """Return the reason why finite scores look like probabilities on another scale; "" without one."""
    with np.errstate(over="ignore"):
        scales = [name for name, way_back in SCALES.items() if are_probabilities(way_back(finite.astype(np.float64)))]
    if scales:
        return f"has {scales[0]} of probabilities p, not logits: export p itself"
    sums = finite.sum(axis=1, dtype=np.float64)
    total = float(np.median(sums))
    spread = ROUNDED_PERCENTAGES if finite.min() >= 0 and total > 2 else ROUNDING  # noqa: PLR2004 - not near 1
    if abs(total) > ROUNDING and np.ptp(sums) <= spread * abs(total) and np.ptp(finite, axis=0).any():
        about = "" if np.ptp(sums) <= ROUNDING * abs(total) else "about "
        return f"has rows that all sum to {about}{total:.6g}, like percentages and unlike logits: {CURE}"
    return ""


def _describe_rounding(name: str, values: Values, source: Origin) -> tuple[bool, str]:
    """Return whether probabilities are to be clipped and normalised, and a note on them."""
    finite = values[np.isfinite(values).all(axis=1)]
    note = f"probabilities: the output {name}; its rows lie in [0, 1] and sum to 1"
    if not _are_exact(finite):
        return True, f"{note} but for rounding (by {_rounding(finite):.1e}); clipped and normalised"
    if source.rounded_by:
        return True, f"{note}; clipped and normalised, because {source.rounded_by} rounds"
    if finite.shape[1] > MANY_CLASSES:
        return True, f"{note}; clipped and normalised, because float32 rounds the sum of {finite.shape[1]} numbers"
    return False, note


def served(probabilities: Values, heads: Heads) -> Values:
    """Return the probabilities that are served for those of a graph [n, classes]: clipped and normalised if need be."""
    if not heads.is_rounded:
        return probabilities
    clipped = np.maximum(probabilities.astype(np.float64), 0.0)
    return np.asarray(clipped / clipped.sum(axis=1, keepdims=True))


def are_probabilities(values: Values) -> bool:
    """Return whether the finite rows of a table lie in [0, 1] and sum to 1, but for rounding."""
    finite = values[np.isfinite(values).all(axis=1)]
    return bool(len(finite)) and _rounding(finite) < ROUNDING


def _rounding(finite: Values) -> float:
    """Return by how much probabilities [n, classes] leave [0, 1] at most, or their sum differs from 1."""
    sums = finite.sum(axis=1, dtype=np.float64)
    return float(max(-finite.min(), finite.max() - 1.0, np.abs(sums - 1.0).max()))


def _are_exact(finite: Values) -> bool:
    return bool(finite.min() >= 0.0 and finite.max() <= 1.0 and _rounding(finite) <= EXACT)


def _is_softmax(probabilities: Values, logits: Values) -> bool:
    if probabilities.shape != logits.shape or logits.dtype.kind != "f":
        return False
    finite = np.isfinite(logits).all(axis=1)
    expected = Softmax(logits[finite].astype(np.float64)).probabilities
    return bool(finite.any()) and are_near(expected, probabilities[finite])
