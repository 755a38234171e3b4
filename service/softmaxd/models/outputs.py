"""The outputs of an engine, by batch and by request, and their digits as JSON."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from softmaxd.errors import OutputNotFinite
from softmaxd.models.manifest import ATYPICALITY, LOGITS, PROBABILITIES
from softmaxd.numerics.argmax import MANY_ROWS, best_classes
from softmaxd.numerics.softmax import Floats, log_softmax

Array = npt.NDArray[np.float32]
Features = npt.NDArray[Any]  # [rows, features], of the type in the model's manifest

FEW_ROWS = 64  # a request of at most so many rows takes them from the text of its batch

# Clients read a number as float64 and round it to float32. Of all float32, written in their shortest digits, only this
# one, with either sign, comes back as its neighbour: its float64 is halfway between the two.
ROUNDED_TWICE = np.float32(7.0385307e-26)
SHORTEST, EXACT = b"7.038531e-26", b"7.0385307e-26"
LONG_TEXT = 10_000  # bytes; in longer texts, searching the array for it is faster than searching the text


class Batch:
    """The outputs of an engine for a batch, by name. Texts and bytes of a batch are made once, on first use."""

    __slots__ = ("_best", "_finite", "_raw", "_texts", "outputs", "ran")
    ran: tuple[float, float]  # when its run began, by `time.perf_counter`, and the seconds that it took

    def __init__(self, outputs: Mapping[str, Array]) -> None:
        self.outputs = outputs
        self._best: list[int] | None = None  # not `cached_property`, which takes a lock in Python 3.11
        self._raw: dict[str, tuple[memoryview, int]] = {}
        self._finite: dict[str, bool] = {}
        self._texts: dict[str, list[bytes]] = {}

    @property
    def best(self) -> list[int]:
        """The most probable class of each row; ties: the lower index."""
        if self._best is None:
            probabilities = self.outputs[PROBABILITIES]
            few = len(probabilities) < MANY_ROWS  # for small batches, argmax alone is faster
            self._best = (probabilities.argmax(axis=1) if few else best_classes(probabilities)[0]).tolist()
        return self._best

    def is_finite(self, name: str) -> bool:
        """Return True if an output has only finite values."""
        finite = self._finite.get(name)
        if finite is None:
            finite = self._finite[name] = is_finite(self.outputs[name])
        return finite

    def raw(self, name: str) -> tuple[memoryview, int]:
        """Return the bytes of an output [rows, n], and the bytes of one row."""
        found = self._raw.get(name)
        if found is None:
            values = self.outputs[name]
            found = self._raw[name] = (values.data.cast("B"), values.nbytes // len(values))
        return found

    def texts(self, name: str) -> list[bytes]:
        """Return each row of an output [rows, n] as JSON, with the digits that round-trip, without brackets."""
        texts = self._texts.get(name)
        if texts is None:
            texts = self._texts[name] = float32_to_json(self.outputs[name])[2:-2].split(b"],[")
        return texts


class Outputs:
    """The rows of one request in a batch."""

    __slots__ = ("_start", "_stop", "batch")

    def __init__(self, batch: Batch, start: int, stop: int) -> None:
        self.batch = batch
        self._start = start
        self._stop = stop

    @property
    def of_batch(self) -> Mapping[str, Array]:
        """The outputs of all requests in the batch."""
        return self.batch.outputs

    @property
    def best(self) -> list[int]:
        """The most probable class of each row."""
        return self.batch.best[self._start : self._stop]

    @property
    def atypicality(self) -> Array:
        """[rows]; NaN, which is not refused, means the most atypical row."""
        return self.batch.outputs[ATYPICALITY][self._start : self._stop]

    @property
    def log_probabilities(self) -> Floats:
        """ln p of each class [rows, classes], from the logits. Raises `OutputNotFinite`."""
        return log_softmax(self[LOGITS].astype(np.float64))

    def json(self, name: str) -> bytes:
        """Return an output [rows, n] as JSON, a list for each row. Raises `OutputNotFinite`."""
        if self._stop - self._start > FEW_ROWS:
            return float32_to_json(self[name])
        return b"[[%s]]" % b"],[".join(self._rows(name))

    def flat_json(self, name: str) -> bytes:
        """Return an output [rows, n] as JSON, one list, row by row. Raises `OutputNotFinite`."""
        if self._stop - self._start > FEW_ROWS:
            return float32_to_json(self[name].reshape(-1))
        return b"[%s]" % b",".join(self._rows(name))

    def _rows(self, name: str) -> list[bytes]:
        if not self.batch.is_finite(name):
            self._find_not_finite(name)
        return self.batch.texts(name)[self._start : self._stop]

    def raw(self, name: str) -> memoryview:
        """Return the bytes of an output [rows, n], row by row. Raises `OutputNotFinite`."""
        if not self.batch.is_finite(name):
            self._find_not_finite(name)
        values, row = self.batch.raw(name)
        return values[self._start * row : self._stop * row]

    def __getitem__(self, name: str) -> Array:
        """Return an output [rows, …]. Raises `OutputNotFinite`."""
        if not self.batch.is_finite(name):
            self._find_not_finite(name)
        return self.batch.outputs[name][self._start : self._stop]

    def _find_not_finite(self, name: str) -> None:
        """Raise `OutputNotFinite` if the row belongs to this request, not to another one in the batch."""
        values = self.batch.outputs[name][self._start : self._stop]
        finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if not finite.all():
            raise OutputNotFinite(int(np.argmin(finite)))


NOT_ASKED = Outputs(Batch({}), 0, 0)  # for an operation that asks no model


def is_finite(values: Features) -> bool:
    """Return True if all values are finite."""
    # for a few rows the product is faster; it may overflow though every value is finite
    return math.isfinite(np.vdot(values, values)) or bool(np.isfinite(values).all())


def float32_to_json(values: Array) -> bytes:
    """Return a C-contiguous array as JSON; each number is exact for a client that reads float64, too."""
    text = to_json(values)
    if len(text) > LONG_TEXT and not (np.abs(values) == ROUNDED_TWICE).any():
        return text
    return text.replace(SHORTEST, EXACT)


def to_json(value: object) -> bytes:
    """Return a value, C-contiguous arrays in it, as JSON, with the shortest digits that round-trip."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
