"""One serving process: uvicorn with our connection class, its drain, its sweep and what it takes of the system."""

import ctypes
import logging
import os
import resource
import socket
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TypeVar

import uvicorn

from softmaxd.app import create_app
from softmaxd.errors import StartupError
from softmaxd.http.connection import Connection
from softmaxd.http.express import Shared
from softmaxd.settings import Settings

CLOSE_SECONDS = 1  # for uvicorn to close its connections after the drain
TICKS_BETWEEN_SWEEPS = 5  # half a second
MAX_FILES = 65536  # open at once, if the system allows it
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # that glibc takes
KEPT_BYTES = 64 * 2**20

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which on SIGTERM or Ctrl-C first answers what is in flight, and then exits with 0.

    While it drains it still accepts connections: `/readyz` and new operations get 503, so a proxy turns away
    without a refused connection. A second signal ends the drain at once.
    """

    def __init__(self, config: uvicorn.Config, shared: Shared) -> None:
        super().__init__(config)
        self._shared = shared
        self._lifecycle = shared.lifecycle
        self._drain_until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn's own version would end the process by the signal."""
        if self._lifecycle.draining:
            self.force_exit = self.should_exit = True
        self._lifecycle.draining = True
        self._drain_until = time.monotonic() + self._shared.settings.drain_timeout

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: sweep the connections now and then, and leave when the drain is over."""
        if counter % TICKS_BETWEEN_SWEEPS == 0:
            self._sweep()
        if self._lifecycle.draining:
            drained = self._lifecycle.in_flight == 0
            self.should_exit |= drained or time.monotonic() > self._drain_until
        return await super().on_tick(counter)

    def _sweep(self) -> None:
        self._save()
        now = time.monotonic()
        for connection in list(self.server_state.connections):
            assert isinstance(connection, Connection)
            connection.sweep(now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection; one whose request is still in flight is given up."""
        if self._lifecycle.in_flight:
            logger.warning("gave up %d requests that were still in flight", self._lifecycle.in_flight)
            for connection in self.server_state.connections:
                connection.transport.abort()
        await super().shutdown(sockets)
        self._save()

    def _save(self) -> None:
        try:
            self._shared.metrics.save()
        except OSError as error:  # no reason to stop serving
            logger.warning("cannot save the metrics: %s", error.strerror)


AnyServer = TypeVar("AnyServer", bound=Server)


def new_server(kind: type[AnyServer], settings: Settings, shared_folder: Path | None = None) -> AnyServer:
    """Return a server of this kind, not started, for an application of its own."""
    _keep_freed_memory()
    app = create_app(settings, shared_folder)
    shared = Shared(app.state.operations, app.state.refuse, app.state.lifecycle, app.state.metrics, settings)
    config = uvicorn.Config(
        app,
        http=partial(Connection, shared=shared),  # type: ignore[arg-type] # it is only called
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
    return kind(config, shared)


def _keep_freed_memory() -> None:
    """Tell glibc to keep what a large request frees for the next one.

    It would give it back to the system, and each page would be cleared and fetched again: 4,000 of them for 100,000
    rows, a fifth of the time.
    """
    with suppress(AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def raise_limit_of_files() -> None:
    """Allow more connections than the usual 1,024 open files, which idle clients alone may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise StartupError(f"cannot listen on {host} port {port}: {reason}; set --host, --port") from error


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
