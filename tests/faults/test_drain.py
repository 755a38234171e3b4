"""Clients that send all the time lose no request when the service stops or is restarted."""

import contextlib
import http.client
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.server import Server, StartServer
from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
CLIENTS = 20
STOPS = 8
ENOUGH = 100  # answers, before the service is told to stop


class KeepAliveClient(threading.Thread):
    """Sends one request after another on one connection, and reconnects when it is told that the connection closes."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.answered = 0
        self.failures: list[str] = []
        self.stop = False
        self.start()

    def run(self) -> None:
        while not self.stop:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
            except ConnectionRefusedError:  # the service is gone, and takes no request with it
                return
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{error!r} after {self.answered} answers")
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask until the connection closes."""
        while not self.stop:
            connection.request("POST", "/predict", BODY)
            answer = connection.getresponse()
            closes = answer.getheader("connection") == "close"
            answer.read()
            if answer.status != http.client.OK:
                self.failures.append(f"status {answer.status}")
            self.answered += 1
            if closes:
                return


def busy_clients(server: Server) -> list[KeepAliveClient]:
    clients = [KeepAliveClient(server.port) for _ in range(CLIENTS)]
    until(lambda: sum(client.answered for client in clients) > ENOUGH)
    return clients


def failures_of(clients: list[KeepAliveClient]) -> list[str]:
    for client in clients:
        client.join()
    return [failure for client in clients for failure in client.failures]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_request_fails_when_the_service_stops(start_server: StartServer, workers: str) -> None:
    for _ in range(STOPS):
        server = start_server(traced=False, workers=workers)
        clients = busy_clients(server)

        server.send_signal(signal.SIGTERM)

        assert server.wait() == 0
        assert failures_of(clients) == []


def test_no_request_fails_when_every_process_is_told_to_end(start_server: StartServer) -> None:
    for _ in range(2):
        server = start_server(workers="2")
        clients = busy_clients(server)

        os.killpg(server.process.pid, signal.SIGTERM)  # as systemd does

        assert server.wait() == 0
        assert failures_of(clients) == []


def test_no_request_fails_when_the_workers_are_restarted(start_server: StartServer) -> None:
    server = start_server(workers="2")
    clients = busy_clients(server)

    for _ in range(2):
        old = workers_of(server)
        assert len(old) == 2
        server.send_signal(signal.SIGHUP)
        until_others_serve(server, old)
    for client in clients:
        client.stop = True

    assert failures_of(clients) == []
    assert server.stop() == 0


def until_others_serve(server: Server, old: set[int]) -> None:
    until(lambda: old.isdisjoint(workers_of(server)))


def workers_of(server: Server) -> set[int]:
    """Return the process ids of the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    workers = set()
    for child in children:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                workers.add(int(child))
    return workers
