"""The service with a watch over the parts of its requests, which it keeps in the file that WATCH_FILE names.

`python -m benchmarks.servers.watched serve …` has the options of `softmaxd serve`. The names of a few functions between
the parts are all that it knows of the service. Each runs once for all requests of a turn of the event loop, except for
the one that takes bytes, and the transport's that sends them.
"""

import os
import sys
from asyncio import Transport
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from benchmarks.watch import BATCHING, BODY, HEAD, METRICS, OUTSIDE, RUN, TEXT, WRITING, Watch

from softmaxd.__main__ import main
from softmaxd.http.connection import Connection
from softmaxd.http.passes import Passes, Read, Reader
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.batching import Batcher
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import Manifest
from softmaxd.models.together import EngineRun
from softmaxd.numerics.softmax import Softmax


class WatchedTransport:
    """A transport that sends outside of all parts."""

    def __init__(self, transport: Transport, watch: Watch) -> None:
        self.write = watch.over(transport.write, OUTSIDE)
        self._transport = transport

    def __getattr__(self, name: str) -> Any:  # all else that a transport has
        return getattr(self._transport, name)


def watch_over_all(watch: Watch) -> None:
    """Let the watch know where each part begins and ends."""
    over, runs_of, connected = watch.over, Metrics.runs_of, Connection.connection_made

    def connection_made(connection: Connection, transport: Transport) -> None:
        connected(connection, cast(Transport, WatchedTransport(transport, watch)))

    def watched_runs_of(metrics: Metrics, manifest: Manifest) -> Callable[[EngineRun], None]:
        return over(runs_of(metrics, manifest), METRICS)

    changed: list[tuple[type, str, object]] = [
        (Connection, "connection_made", connection_made),
        (Connection, "data_received", over(Connection.data_received, HEAD, begins=True)),
        (Passes, "answer", over(Passes.answer, BATCHING, begins=True)),
        (Passes, "read_heads", over(Passes.read_heads, HEAD)),
        *((kind, "read", over(kind.read, BODY)) for kind in Reader.__subclasses__()),
        (Batcher, "run_now", over(Batcher.run_now, BATCHING)),
        (Engine, "run", over(Engine.run, RUN)),
        (Softmax, "probabilities", property(over(Softmax.probabilities.fget, RUN))),  # type: ignore[attr-defined] # a property
        *((kind, "texts", over(kind.texts, TEXT, after=WRITING)) for kind in Read.__subclasses__()),
        (Metrics, "count_requests", over(Metrics.count_requests, METRICS)),
        (Metrics, "runs_of", watched_runs_of),
    ]
    for owner, name, function in changed:
        setattr(owner, name, function)


if __name__ == "__main__":
    import softmaxd.protocols.passes  # noqa: F401 - the kinds of readers

    watch = Watch(Path(os.environ["WATCH_FILE"]))
    watch.calibrate()
    watch_over_all(watch)
    sys.exit(main())
