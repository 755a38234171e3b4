"""`softmaxd health` against real servers."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from softmaxd.cli.health import run
from softmaxd.settings import Settings


class Answers(BaseHTTPRequestHandler):
    """Answers every path but `/readyz` with 404."""

    ready = 200

    def do_GET(self) -> None:
        self.send_response(self.ready if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


class NotReady(Answers):
    ready = 503


class NoHttp(Answers):
    def handle(self) -> None:
        self.wfile.write(b"220 mail.example.org\r\n")


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server on 127.0.0.1 with the handler that the test names."""
    with HTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - a service on all addresses is asked on one
@pytest.mark.parametrize("port", [Answers], indirect=True)
def test_a_ready_service_is_0(host: str, port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Settings(host=host, port=port)) == 0
    assert capsys.readouterr() == (f"127.0.0.1 port {port} is ready\n", "")


@pytest.mark.parametrize("port", [NotReady], indirect=True)
def test_a_service_that_is_not_ready_is_1(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Settings(port=port)) == 1
    assert capsys.readouterr() == (f"127.0.0.1 port {port} is not ready: 503\n", "")


@pytest.mark.parametrize("port", [NoHttp], indirect=True)
def test_another_protocol_is_no_answer(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Settings(port=port)) == 1
    assert capsys.readouterr().err.startswith(f"softmaxd: no answer from 127.0.0.1 port {port}: ")


def test_a_port_without_a_service_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        assert run(Settings(port=port)) == 1

    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith(f"softmaxd: no answer from 127.0.0.1 port {port}: ")
