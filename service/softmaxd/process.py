"""One serving process: uvicorn with our connection class, drain and sweep, and its memory and files."""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar, cast

import uvicorn

from softmaxd.app import create_app
from softmaxd.ending import LastResort, end_now
from softmaxd.http.answered import trace_calls
from softmaxd.http.connection import Connection
from softmaxd.http.express import ExpressLane
from softmaxd.http.heads import PlainHeads
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.passes import answer_together
from softmaxd.listening import accept_waiting, drop_new_connections
from softmaxd.metrics.counts import Gauges
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.engine_thread import is_any_busy
from softmaxd.models.memory import keep_freed_memory
from softmaxd.settings import Settings
from softmaxd.tls import out_of_date, tls_context

REPLACED_SECONDS = 0.2  # of listening, in place of `drain_delay`; by then a supervisor that ends has said so
HANDSHAKE_SECONDS = 1  # with TLS, for connections that begin as the service stops to listen
CLOSE_SECONDS = 1  # uvicorn closes its connections in this time after the drain
LAST_SECONDS = 1.0  # after the drain; then the process is ended from outside its event loop
TICKS_BETWEEN_SWEEPS = 5  # half a second
MAX_FILES = 65536  # open at the same time, if the system allows it

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, with a drain: SIGTERM or Ctrl-C lets it answer whatever it has accepted, then exit with 0.

    At once it is not ready any more, and each response is the last one of its connection. For `drain_delay` it still
    accepts connections, so that a proxy can notice and turn away. Then it stops listening, and exits when no connection
    is in use, at the latest after `drain_timeout`. A second signal ends the drain at once.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, metrics: Metrics, settings: Settings) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._settings = settings
        self._listeners: list[socket.socket] = []
        self._leaving_since = self._begun_until = 0.0
        self._last_resort = LastResort(settings.drain_delay + settings.drain_timeout + LAST_SECONDS)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the drain is over; a run of a model that does not stop then is no reason to wait."""
        super().run(sockets)
        self._last_resort.close()
        if is_any_busy():
            end_now("a run of a model cannot be stopped", code=0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and to watch for signals that the event loop may miss."""
        self._listeners = list(sockets or [])
        self._last_resort.watch_signals()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; uvicorn's own method would let the signal end the process."""
        if self._lifecycle.leaving:
            self.force_exit = self.should_exit = True
            return
        self._lifecycle.leaving = True
        self._leaving_since = time.monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Sweep the connections now and then, and exit when the drain is over; uvicorn calls it ten times a second."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            self._metrics.save()
            self._sweep()
        if self._lifecycle.leaving:
            self._last_resort.arm()
            await self._drain(time.monotonic())
        return await super().on_tick(counter)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in self._connections():
            connection.sweep(now)

    def _connections(self) -> list[Connection]:
        return cast(list[Connection], list(self.server_state.connections))

    async def _drain(self, now: float) -> None:
        """Go on with the drain."""
        for connection in self._connections():
            connection.leave()
        delay = self._settings.drain_delay if self.is_service_ending() else REPLACED_SECONDS
        if now < self._leaving_since + delay:
            return
        if self._listeners:  # the event loop may still have to begin connections that it has accepted
            await self._stop_listening(self._listeners.pop())
            self._begun_until = time.monotonic() + (HANDSHAKE_SECONDS if self.config.ssl else 0)
            return
        for connection in self._connections():
            connection.close_unused(now)
        is_done = not self.server_state.connections and now > self._begun_until
        self.should_exit |= is_done or now > self._leaving_since + delay + self._settings.drain_timeout

    async def _stop_listening(self, listener: socket.socket) -> None:
        """Close a listening socket, and serve every connection that waits in it."""
        with listener.dup() as last:
            for server in self.servers:
                server.close()
            if self.is_service_ending():
                drop_new_connections(last)
            waiting = list(accept_waiting(last))
        begun = (self._connect(connection, HANDSHAKE_SECONDS) for connection in waiting)
        await asyncio.gather(*begun, return_exceptions=True)  # a handshake may fail

    async def _connect(self, accepted: socket.socket, handshake_seconds: float | None = None) -> None:
        """Begin an accepted connection. Raises `OSError` if a handshake fails or takes longer."""
        tls = {"ssl": self.config.ssl, "ssl_handshake_timeout": handshake_seconds} if self.config.ssl else {}
        loop: Any = asyncio.get_running_loop()
        await loop.connect_accepted_socket(self._new_connection, accepted, **tls)

    def is_service_ending(self) -> bool:
        """Return True if no other process goes on to listen."""
        return True

    def _new_connection(self) -> Connection:
        kind: Any = self.config.http_protocol_class
        new = kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)
        return cast(Connection, new)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection, and give up the requests that are still in flight."""
        if self._lifecycle.in_flight:
            logger.warning("gave up %d requests that were still in flight", self._lifecycle.in_flight)
            for connection in self.server_state.connections:
                connection.transport.abort()
        await super().shutdown(sockets)
        self._metrics.save()


AnyServer = TypeVar("AnyServer", bound=Server)


def new_server(kind: type[AnyServer], settings: Settings, shared_folder: Path | None = None) -> AnyServer:
    """Return a server of this kind with its own application; it is not started yet. Raises `StartupError`."""
    keep_freed_memory()
    tls = tls_context(settings.tls_cert, settings.tls_key)
    if tls and settings.tls_cert and (warning := out_of_date(tls, settings.tls_cert)):
        logger.warning(warning)
    app = create_app(settings, shared_folder)
    state = app.state
    heads = PlainHeads(state.operations if settings.express == "on" else [], settings, state.access)
    lane = ExpressLane(heads, state.refuse, state.lifecycle, state.metrics, settings)
    answer_together(lane, state.readers)
    if state.tracing is not None:
        trace_calls(lane, state.tracing)
    config = uvicorn.Config(
        app,
        http=partial(Connection, lane=lane),  # type: ignore[arg-type] # uvicorn only calls it
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    server = kind(config, state.lifecycle, state.metrics, settings)
    state.metrics.watch_gauges(
        lambda: Gauges(
            in_flight=state.lifecycle.in_flight,
            connections=len(server.server_state.connections),
            held_bytes=lane.budget.held,
            budget_bytes=lane.budget.max_bytes,
            stale_keys=int(state.access.is_stale),
        )
    )
    return server


def allow_many_files() -> None:
    """Raise the limit of open files, usually 1,024, which idle connections alone can reach."""
    import resource  # noqa: PLC0415 - Windows has no such module

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    with suppress(ValueError):  # macOS may allow fewer than its own limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
