"""deploy/haproxy/haproxy.cfg in Debian's HAProxy, in front of a real service."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.edge import CONFIGURATION, HOSTS, Edge, free_port, make_certificate, need
from tests.support.load import Load
from tests.support.names import Names
from tests.support.server import Server, StartServer
from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
ID = "of-the-client"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port(*HOSTS)


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, port: int) -> Server:
    return start_shared_server("--port", str(port), host=HOSTS[0], access_log="all")


@pytest.fixture(scope="module")
def edge(server: Server, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with Names(HOSTS[0]) as names, Edge(tmp_path_factory.mktemp("edge"), names, port) as edge:
        edge.wait_for(replicas=1)
        yield edge


@pytest.fixture
def client(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, verify=edge.context) as client:
        yield client


def test_the_configuration_is_valid_without_a_warning(tmp_path: Path) -> None:
    need("haproxy", "haproxy")
    certificate, key = make_certificate(tmp_path)
    (tmp_path / "edge.pem").write_text(certificate.read_text() + key.read_text())
    environment = {**os.environ, "EDGE_CERTIFICATE": str(tmp_path / "edge.pem")}

    command: list[str | Path] = ["haproxy", "-c", "-f", CONFIGURATION]
    checked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_it_answers_over_tls_with_http_2(edge: Edge) -> None:
    need("curl", "curl")
    command: list[str | Path] = [
        "curl",
        "--silent",
        "--show-error",
        "--cacert",
        edge.certificate,
        "--json",
        BODY.decode(),
    ]
    written = "\n%{http_version} %{http_code}"
    result = subprocess.run(
        [*command, "--write-out", written, f"{edge.url}/predict"], capture_output=True, text=True, check=False
    )

    answer, _, protocol = result.stdout.rpartition("\n")
    assert protocol == "2 200", result.stderr
    assert json.loads(answer)["labels"] == ["blob-0"]


def test_old_versions_of_tls_are_refused(edge: Edge) -> None:
    context = edge.context
    with pytest.warns(DeprecationWarning, match=r"TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{edge.url}/livez", verify=context)


def test_a_request_has_one_id_in_the_answer_and_in_the_log_of_the_service(client: httpx.Client, server: Server) -> None:
    given = client.post("/predict", content=BODY, headers={"X-Request-ID": ID})
    made = client.post("/predict", content=BODY)
    odd = [("x" * 200,), ("two words",), ("of\xa0the\xffclient",), (ID, ID), ("",)]
    fields = [[(b"X-Request-ID", value.encode("latin-1")) for value in values] for values in odd]
    wrong = [client.post("/predict", content=BODY, headers=each) for each in fields]
    with_comma = client.post("/predict", content=BODY, headers={"X-Request-ID": "a,b"})

    assert given.headers["x-request-id"] == ID
    assert with_comma.headers["x-request-id"] == "a,b"
    new = [answer.headers["x-request-id"] for answer in (made, *wrong)]
    assert len(set(new)) == len(new)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f-]{27}", each) for each in new)  # of the edge
    ids = [*new, ID, "a,b"]
    until(lambda: set(ids) <= {message.get("request_id") for message in server.messages()})


def test_a_head_or_a_body_that_does_not_come_gets_408(edge: Edge, server: Server, port: int, tmp_path: Path) -> None:
    configuration = CONFIGURATION.read_text().replace("timeout http-request 10s", "timeout http-request 300ms")
    quick = tmp_path / "haproxy.cfg"
    quick.write_text(configuration)
    with Names(HOSTS[0]) as names, Edge(tmp_path, names, port, configuration=quick) as quick_edge:
        quick_edge.wait_for(replicas=1)
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"
        without_head, without_body = (
            exchange(quick_edge, part) for part in (head, head + b"Content-Length: 100\r\n\r\n{")
        )

    assert without_head.startswith(b"HTTP/1.1 408 ")  # HAProxy has its own text for it
    assert without_body.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nx-request-id: " in without_body
    assert json.loads(without_body.partition(b"\r\n\r\n")[2]) == {"detail": "The request did not arrive within 10 s"}


def exchange(edge: Edge, sent: bytes) -> bytes:
    """Send bytes, and return those that come until the edge closes the connection."""
    with (
        socket.create_connection(("127.0.0.1", edge.port), timeout=30) as plain,
        edge.context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_client_that_asks_too_often_gets_429_with_the_time_to_wait(server: Server, port: int, tmp_path: Path) -> None:
    settings = {"EDGE_REQUESTS_IN_10_S": "5"}
    with Names(HOSTS[0]) as names, Edge(tmp_path, names, port, settings) as edge:
        edge.wait_for(replicas=1)
        with httpx.Client(base_url=edge.url, verify=edge.context) as client:
            answers = [client.get("/livez") for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "10"
    assert answers[-1].json() == {"detail": "Too many requests in 10 s; retry later"}


def test_without_a_replica_the_answer_is_503_in_the_form_of_the_service(port: int, tmp_path: Path) -> None:
    with Names() as names, Edge(tmp_path, names, port) as edge:
        until(lambda: "haproxy_server_status" in edge.own_metrics())
        answer = httpx.post(f"{edge.url}/predict", content=BODY, verify=edge.context)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {"detail": "No replica has room; retry later"}
    assert answer.headers["x-request-id"]


class Stub:
    """Accepts connections, answers probes, and closes every other connection once it has the request."""

    def __init__(self, host: str, port: int) -> None:
        self.requests = 0
        self._listener = socket.create_server((host, port))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with connection:
                if connection.recv(65536).startswith(b"GET /readyz "):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                else:
                    self.requests += 1


@pytest.fixture
def stub(port: int) -> Iterator[Stub]:
    stub = Stub(HOSTS[1], port)
    yield stub
    stub.close()


def test_a_prediction_is_asked_again_elsewhere_but_a_change_of_models_is_not(
    server: Server, stub: Stub, port: int, tmp_path: Path
) -> None:
    with Names(*HOSTS[:2]) as names, Edge(tmp_path, names, port) as edge:
        edge.wait_for(replicas=2)
        predictions, changes = (
            [httpx.post(edge.url + path, content=BODY, verify=edge.context).status_code for _ in range(6)]
            for path in ("/predict", "/v2/repository/models/blobs/unload")
        )

    assert predictions == [200] * 6
    assert set(changes) == {403, 502}  # the service, without an admin key, and the stub
    assert stub.requests > changes.count(502)  # predictions came here, too


def test_the_number_of_connections_of_a_client_is_limited(server: Server, port: int, tmp_path: Path) -> None:
    with Names(HOSTS[0]) as names, Edge(tmp_path, names, port, {"EDGE_CONNECTIONS": "2"}) as edge:
        edge.wait_for(replicas=1)
        with httpx.Client(verify=edge.context) as one, httpx.Client(verify=edge.context) as two:
            assert [client.get(f"{edge.url}/livez").status_code for client in (one, two)] == [200] * 2
            assert is_refused(edge.port)


def is_refused(port: int) -> bool:
    """Return whether a connection ends before TLS begins."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_certificate_is_renewed_and_no_request_fails(server: Server, port: int, tmp_path: Path) -> None:
    with Names(HOSTS[0]) as names, Edge(tmp_path, names, port) as edge:
        edge.wait_for(replicas=1)
        context = edge.context
        with Load(edge.port, context) as load:
            load.wait_for(200)
            edge.renew()
            context.load_verify_locations(edge.certificate)
            until(lambda: ssl.get_server_certificate(("127.0.0.1", edge.port)) == edge.certificate.read_text())
            load.wait_for(200)

    assert load.failures == {}


def test_a_replica_without_time_for_its_checks_stays(edge: Edge, server: Server) -> None:
    with Load(edge.port, edge.context) as load:
        load.wait_for(100)
        server.send_signal(signal.SIGSTOP)  # as on a machine that has too much to do
        time.sleep(5.2)  # more than two checks of 2 s
        server.send_signal(signal.SIGCONT)
        load.wait_for(100)

    assert load.failures == {}
