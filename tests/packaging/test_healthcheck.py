"""The health check of the image, a shell script, against real servers."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.edge import make_certificate
from tests.support.paths import REPOSITORY

SCRIPT = REPOSITORY / "deploy" / "docker" / "softmaxd-healthcheck"

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # with `softmaxd`

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")


class Ready(BaseHTTPRequestHandler):
    """Answers every path but `/readyz` with 404, and without a host with 400."""

    status = 200

    def do_GET(self) -> None:
        known = self.status if self.path == "/readyz" else 404
        self.send_response(known if self.headers["host"] else 400)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


def read_head(handler: BaseHTTPRequestHandler) -> None:
    while handler.rfile.readline().strip():
        pass


class NotReady(Ready):
    status = 503


class NoHttp(Ready):
    def handle(self) -> None:
        read_head(self)
        self.wfile.write(b"220 mail.example.org\r\n")


class Silent(Ready):
    def handle(self) -> None:
        """Close the connection without a word."""
        read_head(self)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server on 127.0.0.1 with the handler that the test names."""
    with HTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(**settings: str) -> tuple[int, str]:
    """Run the script, and return its exit code and its last line."""
    environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
    ended = subprocess.run(
        ["bash", SCRIPT], env={"PATH": PATH, **environment}, capture_output=True, text=True, check=False
    )
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()[-1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])  # noqa: S104 - a service on all addresses
@pytest.mark.parametrize("port", [Ready], indirect=True)
def test_a_ready_service_is_0(host: str, port: int) -> None:
    code, line = check(host=host, port=str(port))

    assert code == 0
    assert line.endswith(f" port {port} answers 200")


@pytest.mark.parametrize(
    ("port", "answer"), [(NotReady, "503"), (NoHttp, "mail.example.org"), (Silent, "nothing")], indirect=["port"]
)
def test_any_other_answer_is_1(port: int, answer: str) -> None:
    assert check(port=str(port)) == (1, f"127.0.0.1 port {port} answers {answer}")


def test_a_port_without_a_service_is_1() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        code, line = check(port=str(port))

    assert code == 1
    assert line.endswith(f"/dev/tcp/127.0.0.1/{port}: Connection refused")


def test_a_port_in_the_form_of_kubernetes_is_the_default() -> None:
    code, line = check(host="127.1.2.3", port="tcp://10.43.1.39:9")

    assert code == 1
    assert "/dev/tcp/127.1.2.3/8000: " in line


def test_with_a_certificate_it_asks_over_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.handle_request)
        thread.start()
        answer = check(port=str(server.server_port), tls_cert=str(certificate))
        thread.join()

    assert answer == (0, f"127.0.0.1 port {server.server_port} is ready")
