"""One serving process: uvicorn with our connection class, drain and sweep, and its memory, files and socket."""

import ctypes
import logging
import os
import socket
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import uvicorn

from softmaxd.app import create_app
from softmaxd.ending import LastResort, end_now
from softmaxd.errors import StartupError
from softmaxd.http.connection import Connection
from softmaxd.http.express import ExpressLane
from softmaxd.http.lifecycle import Lifecycle
from softmaxd.http.replies import OkReplies
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.engine_thread import is_any_busy
from softmaxd.settings import Settings

CLOSE_SECONDS = 1  # uvicorn closes its connections in this time after the drain
LAST_SECONDS = 1.0  # after the drain; then the process is ended from outside its event loop
TICKS_BETWEEN_SWEEPS = 5  # half a second
MAX_FILES = 65536  # open at the same time, if the system allows it
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # glibc refuses more
KEPT_BYTES = 64 * 2**20

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, with a drain: SIGTERM or Ctrl-C lets it answer the requests in flight, then exit with 0.

    While it drains, it still accepts connections and answers `/readyz` and new operations with 503: a proxy turns away
    without a refused connection. A second signal ends the drain at once.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, metrics: Metrics, *, drain_timeout: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._metrics = metrics
        self._drain_timeout = drain_timeout
        self._drain_until = 0.0
        self._last_resort = LastResort(drain_timeout + LAST_SECONDS)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the drain is over; a run of a model that does not stop then is no reason to wait."""
        super().run(sockets)
        self._last_resort.close()
        if is_any_busy():
            end_now("a run of a model cannot be stopped", code=0)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and to watch for signals that the event loop may miss."""
        self._last_resort.watch_signals()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; uvicorn's own method would let the signal end the process."""
        if self._lifecycle.draining:
            self.force_exit = self.should_exit = True
        self._lifecycle.draining = True
        self._drain_until = time.monotonic() + self._drain_timeout

    async def on_tick(self, counter: int) -> bool:
        """Sweep the connections now and then, and exit when the drain is over; uvicorn calls it ten times a second."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            self._sweep()
        if self._lifecycle.draining:
            self._last_resort.arm()
            drained = self._lifecycle.in_flight == 0
            self.should_exit |= drained or time.monotonic() > self._drain_until
        return await super().on_tick(counter)

    def _sweep(self) -> None:
        self._metrics.save()
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, Connection)
            connection.sweep(now)

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
    _keep_freed_memory()
    app = create_app(settings, shared_folder)
    state = app.state
    lane = ExpressLane(state.operations, state.refuse, state.lifecycle, state.metrics, settings)
    config = uvicorn.Config(
        app,
        http=partial(Connection, lane=lane, ok_replies=OkReplies()),  # type: ignore[arg-type] # uvicorn only calls it
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    return kind(config, state.lifecycle, state.metrics, drain_timeout=settings.drain_timeout)


def _keep_freed_memory() -> None:
    """Tell glibc to keep the memory that a large request frees for the next one.

    By default glibc gives it back, and the system clears every page again before the next large request can use it.
    """
    with suppress(AttributeError):  # macOS and musl have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def allow_many_files() -> None:
    """Raise the limit of open files, usually 1,024, which idle connections alone can reach."""
    import resource  # noqa: PLC0415 - Windows has no such module

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    with suppress(ValueError):  # macOS may allow fewer than its own limit says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raises `StartupError`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        cure = "choose others by --host and --port, or SOFTMAXD_HOST and SOFTMAXD_PORT"
        raise StartupError(f"cannot listen on {host} port {port}: {reason}; {cure}") from error


def url_of(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
