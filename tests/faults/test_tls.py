"""`softmaxd serve` with a certificate: both lanes, the drain, and clients that leave or send on."""

import contextlib
import shutil
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.command import softmaxd
from tests.support.edge import make_certificate
from tests.support.load import Load
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
ANSWERS = 200


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def context(files: tuple[Path, Path]) -> ssl.SSLContext:
    """What a client needs that trusts the certificate."""
    return ssl.create_default_context(cafile=str(files[0]))


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer, files: tuple[Path, Path]) -> Server:
    certificate, key = map(str, files)
    return start_shared_server(tls_cert=certificate, tls_key=key)


@pytest.fixture
def connection(server: Server, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        yield connection


def test_it_answers_over_tls_in_both_lanes_and_says_so(server: Server, context: ssl.SSLContext) -> None:
    with httpx.Client(base_url=server.url, verify=context) as client:
        express = [client.post("/predict", content=BODY) for _ in range(3)]
        other = [client.post("/predict", content=iter([BODY[:9], BODY[9:]])) for _ in range(3)]  # in chunks

    assert server.url.startswith("https://")
    assert {answer.status_code for answer in express + other} == {200}
    assert len({answer.content for answer in express + other}) == 1


def test_a_client_without_tls_gets_no_answer(server: Server) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url.replace("https", "http") + "/livez")


@pytest.mark.parametrize("fields", [b"", b"Expect: 100-continue\r\n"], ids=["express", "asgi"])
def test_the_last_answer_of_a_connection_arrives_and_ends_it(connection: ssl.SSLSocket, fields: bytes) -> None:
    connection.sendall(HEAD % len(BODY) + fields + b"Connection: close\r\n\r\n" + BODY)

    received = receive(connection).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_refusal_arrives_while_the_client_sends_on(connection: ssl.SSLSocket) -> None:
    connection.sendall(HEAD % 10**8 + b"\r\n" + bytes(10**6))
    connection.sendall(bytes(10**6))

    assert receive(connection).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_leaves_while_it_is_answered_leaves_no_line_in_the_log(
    server: Server, context: ssl.SSLContext
) -> None:
    for _ in range(3):
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        with context.wrap_socket(plain, server_hostname="localhost") as leaving:
            leaving.sendall(HEAD % len(BODY) + b"\r\n" + BODY[:-1])
            leaving.sendall(BODY[-1:])
    with httpx.Client(base_url=server.url, verify=context) as client:
        assert client.get("/livez").status_code == 200

    assert [message for message in server.messages() if message["level"] != "INFO"] == []


def test_its_health_is_asked_over_tls(server: Server, files: tuple[Path, Path]) -> None:
    code, output, _ = softmaxd("health", "--port", str(server.port), "--tls-cert", str(files[0]))

    assert (code, output) == (0, f"127.0.0.1 port {server.port} is ready\n")


def test_no_request_fails_when_it_stops(
    start_server: StartServer, files: tuple[Path, Path], context: ssl.SSLContext
) -> None:
    certificate, key = map(str, files)

    assert failures_in_a_stop(start_server(tls_cert=certificate, tls_key=key), context) == {}


def failures_in_a_stop(server: Server, context: ssl.SSLContext) -> dict[str, int]:
    with Load(server.port, context) as load:
        load.wait_for(ANSWERS)
        load.ends_when_refused = True
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
    return load.failures


def test_a_certificate_is_renewed_by_sighup_and_no_request_fails_when_all_workers_stop(
    start_server: StartServer, files: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, key = (Path(shutil.copy(file, tmp_path)) for file in files)
    server = start_server(tls_cert=str(certificate), tls_key=str(key), workers="2")
    old = ssl.create_default_context(cafile=str(files[0]))
    until(lambda: "softmaxd_workers 2\n" in httpx.get(server.url + "/metrics", verify=old, timeout=60).text)

    (tmp_path / "next").mkdir()
    renewed = make_certificate(tmp_path / "next")[0].rename(certificate)
    server.send_signal(signal.SIGHUP)
    until(lambda: any("the key does not belong to the certificate; this worker waits" in line for line in server.lines))
    assert httpx.get(server.url + "/livez", verify=old).status_code == 200
    (tmp_path / "next" / "key.pem").rename(key)

    new = ssl.create_default_context(cafile=str(renewed))
    until(lambda: answers(server.url, new))
    new.load_verify_locations(files[0])  # the second worker may still have the old one
    assert failures_in_a_stop(server, new) == {}


def answers(url: str, context: ssl.SSLContext) -> bool:
    """Return whether a service has a certificate that the context trusts."""
    try:
        return httpx.get(url + "/livez", verify=context).status_code == 200
    except httpx.ConnectError:
        return False


def test_a_connection_that_never_begins_or_never_ends_tls_does_not_hold_up_the_end(
    start_server: StartServer, files: tuple[Path, Path], context: ssl.SSLContext
) -> None:
    certificate, key = map(str, files)
    server = start_server(tls_cert=certificate, tls_key=key)
    assert httpx.get(server.url + "/livez", verify=context).status_code == 200
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(connect(server.port))
        pooled = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        pooled.sendall(HEAD % len(BODY) + b"\r\n" + BODY)
        assert pooled.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")  # from here on it does not read
        server.send_signal(signal.SIGSTOP)  # so that connections wait in the socket
        for sent in [b"", b"", b"GET / HTTP/1.1\r\n\r\n"]:
            stack.enter_context(connect(server.port)).sendall(sent)
        server.send_signal(signal.SIGTERM)
        server.send_signal(signal.SIGCONT)

        assert server.wait() == 0
    assert [message for message in server.messages() if message["level"] != "INFO"] == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_bad_certificate_stops_the_start_with_one_line(tmp_path: Path, workers: str) -> None:
    missing = tmp_path / "missing.pem"
    code, _, errors = softmaxd("serve", "--port", "0", "--workers", workers, "--tls-cert", str(missing))

    assert code == 1
    assert errors.splitlines()[-1] == f"softmaxd: cannot read {missing} for TLS: No such file or directory"
