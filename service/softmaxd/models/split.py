"""Runs the part of a graph that every answer needs. `atypicality` is computed when it is asked for.

Few answers ask for it, and of large batches drift needs a sample only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from softmaxd.errors import CannotRun
from softmaxd.models.manifest import ATYPICALITY
from softmaxd.models.outputs import Array, Features
from softmaxd.models.together import Run, reason


class SplitOutputs(dict[str, Array]):
    """The outputs of a graph for some features. `atypicality` [rows] is computed by `later` when it is first read.

    Reading it raises `CannotRun` if ONNX Runtime cannot compute it.
    """

    __slots__ = ("features", "later")

    def __init__(self, outputs: Mapping[str, Array], features: Features, later: Run) -> None:
        super().__init__(outputs)
        self.features = features
        self.later = later

    def __missing__(self, name: str) -> Array:
        if name != ATYPICALITY:
            raise KeyError(name)
        found = self[name] = _run(self.later, self.features)
        return found


def split(plain: Run, later: Run) -> Run:
    """Return a function that runs features by `plain`, and by `later` for atypicality once it is read."""
    return lambda features: SplitOutputs(plain(features), features, later)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Features [n, …] whose atypicality was not asked for, and the function that computes it."""

    features: Features
    later: Run


def sample_of(outputs: Mapping[str, Array], step: int) -> Array | Unknown:
    """Return the atypicality [n] of each `step`-th row of some outputs, or its features if nobody asked for it."""
    if isinstance(outputs, SplitOutputs) and ATYPICALITY not in outputs:
        features = outputs.features
        return Unknown(features if step == 1 else features[::step].copy(), outputs.later)
    atypicality = outputs[ATYPICALITY]
    return atypicality if step == 1 else atypicality[::step].copy()


def atypicality_of(samples: Sequence[Array | Unknown]) -> Array:
    """Return the atypicality [n] of all samples of one model; the unknown ones run together. Raises `CannotRun`."""
    known = [sample for sample in samples if not isinstance(sample, Unknown)]
    unknown = [sample for sample in samples if isinstance(sample, Unknown)]
    if unknown:
        known.append(_run(unknown[-1].later, np.concatenate([sample.features for sample in unknown])))
    return np.concatenate(known)


def _run(later: Run, features: Features) -> Array:
    try:
        return later(features)[ATYPICALITY]
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        raise CannotRun(reason(error)) from error
