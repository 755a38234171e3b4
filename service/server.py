"""Starts uvicorn with our connection class; signals and drain."""

import logging
import os
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.connection import Connection
from service.errors import StartupError
from service.lifecycle import Lifecycle
from service.settings import Settings

CLOSE_SECONDS = 1  # for uvicorn to close its connections after the drain

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which on SIGTERM or Ctrl-C first answers what is in flight, and then exits with 0.

    While it drains it still accepts connections: `/readyz` and new operations get 503, so a proxy turns away
    without a refused connection. A second signal ends the drain at once.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_timeout: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_timeout = drain_timeout
        self._drain_until = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; uvicorn's own version would end the process by the signal."""
        if self._lifecycle.draining:
            self.force_exit = self.should_exit = True
        self._lifecycle.draining = True
        self._drain_until = time.monotonic() + self._drain_timeout

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: leave when nothing is in flight any more, or the time is over."""
        if self._lifecycle.draining:
            drained = self._lifecycle.in_flight == 0
            self.should_exit |= drained or time.monotonic() > self._drain_until
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection; one whose request is still in flight is given up."""
        if self._lifecycle.in_flight:
            logger.warning("gave up %d requests that were still in flight", self._lifecycle.in_flight)
            for connection in self.server_state.connections:
                connection.transport.abort()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; raises `StartupError`."""
    app = create_app(settings)
    listener = _listen(settings.host, settings.port)
    server = Server(_config(app, settings), app.state.lifecycle, settings.drain_timeout)
    logger.info("listening on %s", _url(listener))
    with listener:
        server.run(sockets=[listener])
    logger.info("stopped")


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )


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
