"""Runs the rows of some requests as one batch, and says in a sentence why a model could not."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np

from softmaxd.errors import CannotRun
from softmaxd.models.outputs import Array, Batch, Features, Outputs

MAX_REASON = 300  # characters; a message of ONNX Runtime may list every shape of a graph

Run = Callable[[Features], Mapping[str, Array]]
Outcome = tuple[int, float, list[Outputs] | Exception]  # rows, seconds of the engine, outputs of each request

# A message is `[ONNXRuntimeError] : 1 : FAIL : …; Status Message: /path/of/file.cc:91 ns::Class::function(type, …) …`
NOISE = (r".*\[ONNXRuntimeError\] : \d+ : \w+ : ", r".*?Status Message: ", r"^/\S+ .*?\) ", r"(?<!\S)/\S+ ?")


class Part(Protocol):
    """Some rows."""

    @property
    def features(self) -> Features: ...


@dataclass(slots=True, kw_only=True)  # not frozen: assigning the fields of a frozen one takes longer
class EngineRun:
    """One run of an engine over the rows of some requests; a run that fails has one request."""

    parts: Sequence[Part]  # of its rows, for one request or several each
    requests: int
    rows: int
    first_waited: float  # seconds of the request that waited longest
    waited: float  # seconds of all requests together
    seconds: float  # of the engine
    outputs: Mapping[str, Array]  # empty if the run failed

    @property
    def failed(self) -> bool:
        return not self.outputs


class RunStopped(Exception):
    """The run was stopped because it took too long."""


def try_together(run: Run, parts: list[Features], rows: int) -> Outcome:
    """Run the parts as one batch and return its rows, its seconds, and the outputs of each part or the error."""
    start = time.perf_counter()
    outcome: list[Outputs] | Exception
    try:
        outcome = run_together(run, parts)
    except Exception as error:  # any failure must reach every waiting request
        outcome = error
    return rows, time.perf_counter() - start, outcome


def run_together(run: Run, parts: list[Features]) -> list[Outputs]:
    """Return the outputs of each part, [n, …] for a part of n rows, from one run over all of them.

    Raises `CannotRun` or `RunStopped`.
    """
    features = parts[0] if len(parts) == 1 else np.concatenate(parts)
    start = time.perf_counter()
    try:
        outputs = run(features)
    except RunStopped:
        raise
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        raise CannotRun(reason(error)) from error
    for name, values in outputs.items():
        if len(values) != len(features):
            raise CannotRun(f"it gives {len(values)} rows of {name} for {len(features)} rows")
    batch = Batch(outputs)
    batch.ran = start, time.perf_counter() - start
    stops = accumulate(map(len, parts))
    return [Outputs(batch, stop - len(part), stop) for part, stop in zip(parts, stops, strict=True)]


def reason(error: Exception) -> str:
    """Return the sentence of a message of ONNX Runtime, without paths and names of functions."""
    text = next(iter(str(error).strip().splitlines()), type(error).__name__)
    for noise in NOISE:
        text = re.sub(noise, "", text, count=1)
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + "…"
