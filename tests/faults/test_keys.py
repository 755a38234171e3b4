"""Keys are given, withdrawn and broken under a running service: at once, in every worker, in both lanes."""

import os
import re
import signal
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.command import softmaxd
from tests.support.keys import ADMIN, FIRST, ONLY_BLOBS, READER, SECOND, bearer, hashed, write_keys
from tests.support.metrics import metric
from tests.support.processes import living
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.waiting import until

BODY = b'{"instances": [[15.2, 0.3]]}'
PREDICT = "/models/blobs/predict"
ROTATIONS = 4
LANES = pytest.mark.parametrize("express", ["on", "off"])


def head_of(key: str, length: int = len(BODY), path: str = PREDICT) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: {length}\r\n\r\n".encode()


class Load:
    """Requests with one key, one after the other on a connection that stays open; each head is the same bytes."""

    def __init__(self, server: Server, key: str) -> None:
        self.statuses: Counter[int] = Counter()
        self.last = 0  # status
        self._request = head_of(key) + BODY
        self._connection = connect(server.port)
        self._ends = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ends:
            self._connection.sendall(self._request)
            received = b""
            while b"\r\n\r\n" not in received or len(received) < _end_of(received):
                received += self._connection.recv(65536)
            self.last = int(received[9:12])
            self.statuses[self.last] += 1

    def has_more(self, before: Counter[int], status: int) -> bool:
        """Return True after 20 more answers of this status."""
        return self.statuses[status] > before[status] + 20

    def end(self) -> Counter[int]:
        self._ends = True
        self._thread.join()
        self._connection.close()
        return self.statuses


def _end_of(received: bytes) -> int:
    """Return the length of an answer whose head has arrived."""
    found = re.search(rb"content-length: (\d+)", received)
    assert found is not None
    return received.index(b"\r\n\r\n") + 4 + int(found[1])


@LANES
def test_a_key_that_is_withdrawn_is_refused_while_another_one_is_never(
    start_server: StartServer, tmp_path: Path, express: str
) -> None:
    file = write_keys(tmp_path / "keys", hashed(FIRST), hashed(SECOND))
    server = start_server(api_keys_file=str(file), express=express, metrics_access="open")
    stays, goes = Load(server, SECOND), Load(server, FIRST)

    for _ in range(ROTATIONS):
        until(lambda: goes.last == 200)
        write_keys(file, hashed(SECOND))
        until(lambda: goes.last == 401)
        before = goes.statuses.copy()
        until(partial(goes.has_more, before, 401))
        assert goes.statuses[200] == before[200]
        write_keys(file, f"{hashed(FIRST)} predict blobs", hashed(SECOND))

    assert set(goes.end()) == {200, 401}
    assert set(stays.end()) == {200}
    lane = "express" if express == "on" else "asgi"
    assert metric(server.url, "softmaxd_requests_total", lane=lane, status="200") > 0


@pytest.fixture(scope="module")
def guarded(start_shared_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server that asks for keys, for tests that change nothing."""
    lines = hashed(FIRST), f"{hashed(READER)} read", f"{hashed(ONLY_BLOBS)} predict blobs"
    file = write_keys(tmp_path_factory.mktemp("keys") / "keys", *lines)
    return start_shared_server(api_keys_file=str(file), admin_keys=hashed(ADMIN), log_level="debug", access_log="all")


def test_a_request_is_refused_before_its_body_is_read(guarded: Server) -> None:
    for key, status in (("unknown", b"401"), (READER, b"403")):
        with connect(guarded.port) as connection:
            connection.sendall(head_of(key, length=8 * 2**20))
            assert receive(connection, until=b"}").startswith(b"HTTP/1.1 " + status)
        with connect(guarded.port) as connection:
            connection.sendall(head_of(key).replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"))
            assert receive(connection, until=b"}").startswith(b"HTTP/1.1 " + status)


def test_refusals_do_not_take_the_memory_of_those_with_a_key(guarded: Server) -> None:
    connections = [connect(guarded.port) for _ in range(20)]
    for connection in connections:
        connection.sendall(head_of("unknown", length=8 * 2**20))
        assert receive(connection, until=b"}").startswith(b"HTTP/1.1 401")

    answer = httpx.post(guarded.url + PREDICT, content=BODY, headers=bearer(FIRST))
    for connection in connections:
        connection.close()

    assert answer.status_code == 200


def test_a_known_head_does_not_serve_the_next_request_on_its_connection(guarded: Server) -> None:
    with connect(guarded.port) as connection:
        statuses = []
        for key in (FIRST, FIRST, "unknown", FIRST, READER, ONLY_BLOBS):
            connection.sendall(head_of(key) + BODY)
            answer = receive(connection, until=b"}")
            statuses.append(int(answer[9:12]))

    assert statuses == [200, 200, 401, 200, 403, 200]


def test_health_checks_and_the_page_need_no_key(guarded: Server) -> None:
    for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/playground/js/main.js", "/docs"):
        assert httpx.get(guarded.url + path).status_code == 200, path
    assert httpx.get(guarded.url + "/", headers={"Accept": "text/html"}).status_code == 200

    code, _, _ = softmaxd("health", "--port", str(guarded.port))

    assert code == 0


def test_no_key_is_ever_written(guarded: Server) -> None:
    for key in (FIRST, READER, "unknown-key-for-tests"):
        for path in (PREDICT, "/nope", "/v2/repository/models/blobs/load"):
            answer = httpx.post(f"{guarded.url}{path}?key={key}", content=b"{", headers=bearer(key))
            assert key not in answer.text
    scrapes = count(guarded, '"path": "/metrics"')
    scraped = httpx.get(guarded.url + "/metrics", headers=bearer(FIRST)).text

    until(lambda: sum('"path": "/metrics"' in line for line in list(guarded.lines)) > scrapes)

    for text in (scraped, "".join(guarded.lines)):
        assert not re.search("key-for-tests", text)


def workers_of(server: Server) -> set[int]:
    return {pid for pid, command in living(server.process.pid).items() if "spawn_main" in command}


def count(server: Server, message: str) -> int:
    return sum(message in line for line in server.lines)


def test_every_worker_follows_the_file_and_a_new_one_keeps_the_last_keys_while_it_is_gone(
    start_server: StartServer, tmp_path: Path
) -> None:
    file = write_keys(tmp_path / "keys", hashed(FIRST))
    server = start_server("--workers", "2", api_keys_file=str(file), metrics_access="open")
    until(lambda: count(server, "has 1 key") == 2)

    def statuses(key: str) -> set[int]:
        """Return the statuses on 20 connections, for which either worker may be taken."""
        return {httpx.post(server.url + PREDICT, content=BODY, headers=bearer(key)).status_code for _ in range(20)}

    write_keys(file, hashed(SECOND), f"{hashed(READER)} read")
    until(lambda: count(server, "has 2 keys") == 2)
    assert (statuses(FIRST), statuses(SECOND)) == ({401}, {200})

    file.unlink()
    until(lambda: count(server, "No such file or directory; the keys that it had before stay valid") == 2)
    killed = min(workers_of(server))
    httpx.get(server.url + "/livez")
    os.kill(killed, signal.SIGKILL)
    until(lambda: count(server, "No such file or directory; the keys that it had before stay valid") == 3)
    until(lambda: len(workers_of(server) - {killed}) == 2)
    assert (statuses(FIRST), statuses(SECOND), statuses("unknown")) == ({401}, {200}, {401})

    until(lambda: metric(server.url, "softmaxd_stale_keys") == 2)
    write_keys(file, hashed(FIRST))
    until(lambda: statuses(FIRST) == {200})
    until(lambda: metric(server.url, "softmaxd_stale_keys") == 0)
    until(lambda: statuses(SECOND) == {401})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_its_file_the_service_does_not_start_open(tmp_path: Path, workers: str) -> None:
    code, _, error = softmaxd("serve", "--port", "0", workers=workers, api_keys_file=str(tmp_path / "none"))

    assert (code, error.splitlines()[-1]) == (1, f"softmaxd: {tmp_path / 'none'}: No such file or directory")


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "127.0.0.1"}, False),
        ({"host": "0.0.0.0", "api_keys": hashed(FIRST)}, False),  # noqa: S104
    ],
    ids=["open", "only this machine", "with keys"],
)
def test_a_service_that_anybody_may_reach_and_use_says_so(
    start_server: StartServer, settings: dict[str, str], is_told: bool
) -> None:
    server = start_server(**settings)

    assert count(server, "anybody who reaches 0.0.0.0 may use the service") == is_told


def test_keys_of_a_variable_are_as_good_as_those_of_a_file(start_server: StartServer) -> None:
    server = start_server(api_keys=f"{hashed(FIRST)},{hashed(SECOND)}", metrics_access="open")

    statuses = [
        httpx.get(server.url + "/models", headers={"X-API-Key": key}).status_code for key in (FIRST, SECOND, ADMIN)
    ]

    assert statuses == [200, 200, 401]
    assert httpx.get(server.url + "/metrics").status_code == 200
