"""Serves until it is told to end: one process, or several workers under uvicorn's supervisor."""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import connection, resource_tracker
from pathlib import Path
from types import FrameType
from typing import cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from softmaxd.accepting import Acceptor, Counts
from softmaxd.ending import END_SIGNALS
from softmaxd.errors import StartupError
from softmaxd.http.hosts import is_loopback
from softmaxd.http.keyfile import check_key_file
from softmaxd.listening import listen, url_of
from softmaxd.logs import set_up_logs
from softmaxd.metrics.evidence import check_folder
from softmaxd.models.folders import look_first
from softmaxd.models.repository import Repository
from softmaxd.process import Server, allow_many_files, new_server
from softmaxd.settings import Settings
from softmaxd.shared_folder import hold, shared_folder
from softmaxd.tls import tls_context

READY_SECONDS = 1
CHECK_SECONDS = 0.5  # between two looks at files that cannot be used
WORKER_PING_SECONDS = 30  # the supervisor kills a worker that does not answer a ping in this time

logger = logging.getLogger(__name__)


class WorkerServer(Server):
    """The server of one worker among several; it ends when its supervisor says so, or has died."""

    workers: "WorkersConfig"
    _acceptor: Acceptor | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen; workers that can share numbers share the connections evenly."""
        counts = self.workers.counts()
        if counts is None:
            await super().startup(sockets)
            return
        await super().startup([])
        self._listeners = list(sockets or [])
        for listener in self._listeners:
            self._acceptor = Acceptor(listener, counts, self._connect, lambda: len(self.server_state.connections))
            self.servers.append(self._acceptor)  # type: ignore[arg-type] # it is closed, and nothing else

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain; later signals change nothing, because systemd, for one, sends SIGTERM to every process."""
        if not self._lifecycle.leaving:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Drain if the supervisor has died; else as every server."""
        if self.workers.is_orphan() and not self._lifecycle.leaving:
            self.handle_exit(signal.SIGTERM, None)
        if self._acceptor is not None and self._listeners:
            self._acceptor.tell()
        return await super().on_tick(counter)

    def is_service_ending(self) -> bool:
        """Return True unless this worker is only replaced."""
        return self.workers.are_ending()


class WorkersConfig(uvicorn.Config):
    """The configuration that the supervisor hands to each worker."""

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

    def counts(self) -> Counts | None:
        """Return the numbers of connections that the workers share, or None if their folder is away."""
        try:
            return Counts(self.shared_folder, self.settings.workers)
        except OSError:
            return None

    @property
    def _mark(self) -> Path:
        return self.shared_folder / "ending"

    def mark_ending(self) -> None:
        """Tell the workers that none of them is replaced any more."""
        with suppress(OSError):  # the folder is away
            self._mark.touch()

    def are_ending(self) -> bool:
        """Return True in a worker if all of them are to end."""
        return self.is_orphan() or self._mark.exists()

    def is_orphan(self) -> bool:
        """Return True in a worker whose supervisor has died."""
        return os.getppid() != self.supervisor


class Worker(multiprocess.Process):
    """One worker process: the supervisor calls `start`, and `target` and `pong` run in the worker."""

    config: WorkersConfig
    has_served = False
    _asked: float | None = None  # when it was sent the ping that it has not answered yet

    def ping(self, timeout: float = 5) -> bool:
        """Return False if a ping is older than `timeout`; never wait for the answer, so no worker waits for another."""
        try:
            while self.parent_conn.poll(0):
                self.has_served |= self.parent_conn.recv()
                self._asked = None
            if self._asked is None:
                self.parent_conn.send(b"ping")
                self._asked = time.monotonic()
        except (OSError, EOFError):  # it has ended
            return False
        return time.monotonic() - self._asked < timeout

    def start(self) -> None:
        """Start the worker with Ctrl-C blocked: a terminal sends it to every process, but the supervisor decides."""
        resource_tracker.ensure_running()  # the first start would run it, which unblocks the signal before the fork
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.child_conn.close()  # the worker has its own copy; with one left here, a ping to a dead worker would wait

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until the supervisor says to end."""
        threading.Thread(target=self.always_pong, daemon=True).start()  # first, because loading models takes time
        settings = self.config.settings
        set_up_logs(settings.log_format, settings.log_level)
        with suppress(OSError):  # the metrics will say that it is away
            hold(self.config.shared_folder)
        wait_for(partial(look_first, settings.models_dir))
        wait_for(partial(tls_context, settings.tls_cert, settings.tls_key))
        try:
            server = new_server(WorkerServer, settings, self.config.shared_folder)
        except StartupError as error:
            logger.error("%s", error)
            sys.exit(STARTUP_FAILURE)
        server.workers = self.config
        self._server = server
        server.run(sockets)

    def pong(self) -> None:
        """Answer a ping of the supervisor, even before there is a server."""
        self.child_conn.recv()
        self.child_conn.send(self._server is not None and self._server.started)


def wait_for(check: Callable[[], object]) -> None:
    """Wait while files cannot be used: the supervisor has read them, so they were right and may come back."""
    log = logger.warning
    while True:
        try:
            check()
            return
        except StartupError as error:
            log("%s; this worker waits for it", error)
        log = logger.debug
        time.sleep(CHECK_SECONDS)


class Exit(threading.Event):
    """Set when the service is to end; a wait for it also ends when a worker that has served does."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        super().__init__()
        self._workers = workers

    def wait(self, timeout: float | None = None) -> bool:
        """Wait; a worker that never served is not looked at: one that ends at each start is not started in haste."""
        connection.wait([worker.process.sentinel for worker in self._workers if worker.has_served], timeout)
        return self.is_set()


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor of workers."""

    config: WorkersConfig

    def __init__(self, config: WorkersConfig, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.should_exit = Exit(cast(list[Worker], self.processes))
        for number in END_SIGNALS:
            signal.signal(number, self._end)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        """Tell the workers at once, who may have the same signal; `terminate_all` follows within half a second."""
        self.config.mark_ending()
        self.signal_queue.append(number)

    def terminate_all(self) -> None:
        """Tell the workers to end, so that the last process to close the listening socket is one that drains.

        The kernel resets the connections that wait in the socket when it is closed for the last time.
        """
        self.config.mark_ending()
        for process in self.processes:
            if not process.is_ready(READY_SECONDS):  # a worker that is starting ends without a drain
                process.terminate()
                process.process.join(READY_SECONDS)
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; raises `StartupError`."""
    if sys.platform == "win32":
        raise StartupError("softmaxd serve runs on Linux and macOS; on Windows use Docker or WSL")
    allow_many_files()
    if not settings.needs_keys and not is_loopback(settings.host):
        logger.warning(
            "anybody who reaches %s may use the service; api_keys_file or api_keys change that", settings.host
        )
    if settings.workers == 1:
        _serve_alone(settings)
    else:
        _supervise(settings)
    logger.info("stopped")


def _serve_alone(settings: Settings) -> None:
    server = new_server(Server, settings)
    with listen(settings.host, settings.port) as listener:
        logger.info("listening on %s (a browser shows the playground there)", url_of(listener, settings.scheme))
        server.run(sockets=[listener])


def _supervise(settings: Settings) -> None:
    """Run workers side by side, and replace one that dies."""
    Repository(settings)  # raises here, once, and not in every worker
    check_folder(settings.drift_dir)
    tls_context(settings.tls_cert, settings.tls_key)
    if settings.api_keys_file is not None:
        check_key_file(settings.api_keys_file)
    with shared_folder() as folder, listen(settings.host, settings.port) as listener:
        # the supervisor looks its worker class up by this name
        multiprocess.Process = Worker  # type: ignore[misc]
        supervisor = Supervisor(WorkersConfig(settings, folder), sockets=[listener])
        logger.info(
            "listening on %s with %d workers (a browser shows the playground there)",
            url_of(listener, settings.scheme),
            settings.workers,
        )
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise StartupError("a worker could not start; its log line says why")
