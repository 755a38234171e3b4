"""A real server for the tests: one that they start on a free port, or the one at BASE_URL."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

REPOSITORY = Path(__file__).resolve().parent.parent
MODELS = REPOSITORY / "models"
START_SECONDS = 60
STOP_SECONDS = 30


class Server:
    """A `softmaxd serve` of its own, on a free port; its log lines are kept."""

    def __init__(self, *options: str, environment: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "softmaxd", "serve", "--port", "0", *options]
        self.lines: list[str] = []
        self.url = ""
        self._listening = threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # with its workers in it, as a terminal does, which sends Ctrl-C to all of the group
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._listening.wait(START_SECONDS) or not self.url:
            self.process.kill()
            self.wait()
            raise RuntimeError(f"the server did not start: {self.lines}")

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            found = re.search(r"listening on (http://[^\s\"]+)", line)
            if found:
                self.url = found[1]
                self._listening.set()
        self._listening.set()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def messages(self) -> list[dict[str, object]]:
        """Return the log lines, which are JSON as standard error is not a terminal."""
        return [json.loads(line) for line in self.lines]

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        code = self.process.wait(STOP_SECONDS)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def stop(self) -> int:
        if self.process.poll() is None:
            self.send_signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def softmaxd(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run the command to its end and return its exit code, standard output and standard error."""
    environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
    result = subprocess.run(
        [sys.executable, "-m", "softmaxd", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def connect(port: int) -> socket.socket:
    """Return a connection on which every send leaves at once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def receive(connection: socket.socket, until: bytes | None = None) -> bytes:
    """Return what comes until it ends in `until`, or else until the service closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):  # it closed before it had read all, which is how TCP says so
        while chunk := connection.recv(65536):
            received += chunk
            if until is not None and received.endswith(until):
                break
    return received


def metric(url: str, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that have these labels, as `GET /metrics` has them now."""
    families = text_string_to_metric_families(httpx.get(url + "/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


def lacking(reason: str) -> NoReturn:
    """Skip the test on a developer's machine; where it counts, fail."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


StartServer = Callable[..., Server]


@pytest.fixture
def start_server() -> Iterator[StartServer]:
    """Start servers with options and settings of the test's own; they are stopped after it."""
    servers: list[Server] = []

    def start(*options: str, **settings: str) -> Server:
        environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
        servers.append(Server(*options, environment=environment))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the service under test is: at BASE_URL, or started here with the committed models, in a chosen lane."""
    if "BASE_URL" in os.environ:
        yield os.environ["BASE_URL"]
        return
    express = getattr(request, "param", "on")
    server = Server(environment={"SOFTMAXD_MODELS_DIR": str(MODELS), "SOFTMAXD_EXPRESS": express})
    yield server.url
    assert server.stop() == 0
    assert not [line for line in server.messages() if line["level"] in {"ERROR", "CRITICAL"}]


@pytest.fixture(scope="session")
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client
