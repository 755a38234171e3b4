"""Starts uvicorn with our connection class: workers, signals and drain."""

import ctypes
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import TypeVar

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from softmaxd.app import create_app
from softmaxd.errors import StartupError
from softmaxd.http.connection import Connection
from softmaxd.http.express import Shared
from softmaxd.logs import set_up_logs
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.repository import Repository
from softmaxd.settings import Settings

CLOSE_SECONDS = 1  # for uvicorn to close its connections after the drain
TICKS_BETWEEN_SWEEPS = 5  # half a second
MAX_FILES = 65536  # open at once, if the system allows it
WORKER_PING_SECONDS = 30  # a worker that does not answer its supervisor for so long is killed
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
LARGEST_MMAP_THRESHOLD = 32 * 2**20  # that glibc takes
KEPT_BYTES = 64 * 2**20
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the folder made in it has a name of its own

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


class WorkerServer(Server):
    """The server of one worker among several: its supervisor says when to end, or has died itself."""

    supervisor = 0  # its process id

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, once: SIGTERM also comes from what sends it to every process, as systemd does."""
        if not self._lifecycle.draining:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if os.getppid() != self.supervisor and not self._lifecycle.draining:
            self.handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)


AnyServer = TypeVar("AnyServer", bound=Server)


class WorkersConfig(uvicorn.Config):
    """What the supervisor hands to each worker."""

    def __init__(self, settings: Settings, shared_folder: Path) -> None:
        super().__init__(
            "softmaxd.app:create_app",
            factory=True,
            log_config=None,
            workers=settings.workers,
            timeout_worker_healthcheck=WORKER_PING_SECONDS,
        )
        self.settings = settings
        self.shared_folder = shared_folder
        self.supervisor = os.getpid()


class Worker(multiprocess.Process):
    """One worker, as its supervisor sees it; `target` and `pong` run in the worker."""

    config: WorkersConfig

    def start(self) -> None:
        """Start it deaf to Ctrl-C, which a terminal sends to every process: the supervisor says when to end."""
        resource_tracker.ensure_running()  # as the first start would do, and unblock the signal before it forks
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.child_conn.close()  # the worker has its own: when it dies, a ping ends at once instead of waiting

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        threading.Thread(target=self.always_pong, daemon=True).start()  # before what may take its time
        settings = self.config.settings
        set_up_logs(settings.log_format, settings.log_level)
        try:
            server = new_server(WorkerServer, settings, self.config.shared_folder)
        except StartupError as error:
            logger.error("%s", error)
            sys.exit(STARTUP_FAILURE)
        server.supervisor = self.config.supervisor
        self._server = server
        server.run(sockets)

    def pong(self) -> None:
        """Answer the supervisor, also before there is a server."""
        self.child_conn.recv()
        self.child_conn.send(self._server is not None and self._server.started)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; raises `StartupError`."""
    _raise_limit_of_files()
    if settings.workers == 1:
        server = new_server(Server, settings)
        with _listen(settings.host, settings.port) as listener:
            logger.info("listening on %s", _url(listener))
            server.run(sockets=[listener])
    else:
        _supervise(settings)
    logger.info("stopped")


def _raise_limit_of_files() -> None:
    """Allow more connections than the usual 1,024 open files, which idle clients alone may hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _supervise(settings: Settings) -> None:
    """Run workers side by side, and replace one that dies."""
    Repository(settings, Metrics())  # what is wrong with them is said once, before there are workers
    prefix = f"softmaxd-{os.getpid()}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None))
    try:
        with _listen(settings.host, settings.port) as listener:
            # the supervisor makes its workers of this name and of no other
            multiprocess.Process = Worker  # type: ignore[misc]
            supervisor = multiprocess.Multiprocess(WorkersConfig(settings, folder), sockets=[listener])
            logger.info("listening on %s with %d workers", _url(listener), settings.workers)
            supervisor.run()
    finally:
        shutil.rmtree(folder)
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise StartupError("a worker could not start; its log line says why")


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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise StartupError(f"cannot listen on {host} port {port}: {reason}; set --host, --port") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"
