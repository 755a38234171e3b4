"""A shadow: a version that runs rows which another version has answered, to compare the two.

It must not harm the answers: it begins after they are sent, runs in threads of its own, never in the event loop, and
holds few rows. While it is busy, requests are not compared, but counted.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Literal, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from softmaxd.errors import OutputNotFinite, QueueFull, QueueTimeout, RunTimeout
from softmaxd.models.batching import ONE_REQUEST, Batcher, Entry, Settle
from softmaxd.models.manifest import PROBABILITIES, Key, Manifest
from softmaxd.models.model import Model
from softmaxd.models.outputs import Array, Features, Outputs
from softmaxd.models.together import Part

MAX_ROWS = 1024  # that wait for a shadow
MAX_BYTES = 16 * 2**20  # of their features and answers
WAIT_SECONDS = 5.0  # for the engine of a shadow

Dropped = Literal["busy", "large", "failed"]  # the reason why a request was not compared


class Comparison(NamedTuple):
    """Rows of some requests: how many got another label, and the largest difference of a probability in each [rows]."""

    disagreements: int
    differences: npt.NDArray[np.float64]


Count = Callable[[Comparison | Dropped], None]
CountShadow = Callable[[Key, Key], Count]  # takes the version that answers, and its shadow

logger = logging.getLogger(__name__)


def ignore_shadows(_answering: Key, _shadow: Key) -> Count:
    """Return a function that forgets each comparison."""
    return lambda _outcome: None


class Pair:
    """Compares the answers of two versions by the names of their labels; one that a version lacks has probability 0."""

    def __init__(self, answering: Manifest, shadow: Manifest, count: Count) -> None:
        both = list(dict.fromkeys((*answering.labels, *shadow.labels)))
        places = {label: place for place, label in enumerate(both)}
        self.count = count
        self._is_same = answering.labels == shadow.labels
        self._width = len(both)
        self._answering, self._shadow = (
            np.array([places[label] for label in manifest.labels]) for manifest in (answering, shadow)
        )
        self._waiting: list[tuple[list[int], Array, list[int], Array]] = []

    def add(self, best: list[int], probabilities: Array, others: Outputs) -> None:
        """Compare the classes of some rows and their probabilities [rows, classes] with the outputs of the shadow soon.

        Requests of one batch are compared at once. Raises `OutputNotFinite` for the outputs of the shadow.
        """
        found = (best, probabilities, others.best, others[PROBABILITIES])
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._compare)
        self._waiting.append(found)

    def _compare(self) -> None:
        waiting, self._waiting = self._waiting, []
        bests, answers, other_bests, others = zip(*waiting, strict=True)
        best, other_best = (self._answering[[*chain(*bests)]], self._shadow[[*chain(*other_bests)]])
        one = self._spread(np.concatenate(answers), self._answering)
        other = self._spread(np.concatenate(others), self._shadow)
        self.count(Comparison(int((best != other_best).sum()), np.abs(one - other).max(axis=1)))

    def _spread(self, probabilities: Array, places: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
        if self._is_same:
            return probabilities.astype(np.float64)
        spread = np.zeros((len(probabilities), self._width))
        spread[:, places] = probabilities
        return spread


class Switch:
    """Turns a shadow off. Runs that cannot be stopped may end the process, so those that wait must not begin, too."""

    is_off = False

    def check(self) -> None:
        """Raise an error if the shadow is off."""
        if self.is_off:
            raise RuntimeError("it is off, because a run took too long")


class Shadow:
    """The queue of one version as a shadow. It does not keep its model alive."""

    def __init__(self, model: Model) -> None:
        self.manifest = model.manifest
        self._name = f"{model.manifest.name} version {model.manifest.version} as a shadow"
        self._switch = Switch()
        self.runner = model.batcher.runner.in_threads(self._name, self._switch.check)
        self._batcher = Batcher(
            self.runner,
            model.batcher.on_run,
            max_batch_rows=MAX_ROWS if model.is_rowwise else ONE_REQUEST,
            max_queued_rows=MAX_ROWS,
            queue_timeout=WAIT_SECONDS,
        )
        self._held = 0
        self._begins = False  # True until rows that were submitted in this turn of the loop begin to run

    def run(self, features: Features, best: list[int], probabilities: Array, pair: Pair) -> None:
        """Run features [n, d] soon, and let `pair` compare the outputs with an answer, or count why it does not."""
        size = self.manifest.held_bytes(features)
        if len(features) > MAX_ROWS or size > MAX_BYTES:
            pair.count("large")
        elif self._switch.is_off:
            pair.count("failed")
        elif self._held + size > MAX_BYTES:
            pair.count("busy")
        else:
            try:
                self._batcher.submit(features, partial(self._settle, size, best, probabilities, pair))
            except QueueFull:
                pair.count("busy")
                return
            self._held += size
            if not self._begins:
                self._begins = True
                asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._begins = False
        self._batcher.flush()

    def _settle(
        self, size: int, best: list[int], probabilities: Array, pair: Pair, outcome: Outputs | Exception
    ) -> None:
        self._held -= size
        if isinstance(outcome, Exception):
            if isinstance(outcome, RunTimeout) and not self._switch.is_off:
                self._switch.is_off = True
                logger.error("%s: a run took too long, so it runs no more until it is loaded again", self._name)
            pair.count("busy" if isinstance(outcome, QueueTimeout) else "failed")
            return
        try:
            pair.add(best, probabilities, outcome)
        except OutputNotFinite:
            pair.count("failed")


class ShadowedBatcher(Batcher):
    """The batcher of a version that answers, whose rows a shadow runs afterwards; it has no queue of its own."""

    def __init__(self, answering: Model, shadow: Shadow, count: Count) -> None:
        self._answering = answering.batcher
        self._shadow = shadow
        self._pair = Pair(answering.manifest, shadow.manifest, count)

    def submit(self, features: Features, settle: Settle, *, alone: bool = False) -> Entry:
        """Queue features for the version that answers; see `Batcher.submit`."""
        return self._answering.submit(features, partial(self._settle, features, settle), alone=alone)

    def run_now(self, part: Part, requests: int, since: float) -> None:
        """Leave each request to `submit`: they are compared one by one."""

    def flush(self) -> None:
        self._answering.flush()

    def _settle(self, features: Features, settle: Settle, outcome: Outputs | Exception) -> None:
        settle(outcome)
        if isinstance(outcome, Exception):
            return
        try:
            probabilities = outcome[PROBABILITIES].copy()  # those of this request: a batch may be large
            self._shadow.run(features, outcome.best, probabilities, self._pair)
        except OutputNotFinite:
            return  # refused, so there is nothing to compare
        except Exception:  # a bug in a comparison must not keep the next request from its answer
            logger.exception("cannot compare with a shadow")


class Shadows:
    """The shadows of a process. `count` returns the function that counts the comparisons of two versions."""

    def __init__(self, count: CountShadow = ignore_shadows) -> None:
        self._count = count
        self._shadows: WeakKeyDictionary[Model, Shadow] = WeakKeyDictionary()

    def beside(self, answering: Model, shadow: Model) -> Model:
        """Return the version that answers with a batcher that lets the shadow run its rows, too."""
        known = self._shadows.get(shadow)
        if known is None:
            known = self._shadows[shadow] = Shadow(shadow)
        count = self._count(answering.key, shadow.key)
        return answering.with_batcher(ShadowedBatcher(answering, known, count))

    def close(self) -> None:
        """Stop every run."""
        for shadow in list(self._shadows.values()):
            shadow.runner.close()
