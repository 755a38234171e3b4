"""Memory has a bound, whatever is sent at the same time."""

import gzip
import zlib
from pathlib import Path

import httpx
import orjson
import pytest

from tests.support.attack import SMALL, attack, large_bodies
from tests.support.memory import forget_peak, peak, resident
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.tables import ROWS, publish_mixed, publish_texts

MIB = 2**20
MAX_BODY = 8 * MIB
INFER = "/v2/models/blobs/infer"
BODIES = large_bodies(MAX_BODY - 100)


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def warmed(lane: str, start_shared_server: StartServer) -> tuple[Server, int]:
    """A server that takes one body after another, and the memory that it had before the first."""
    server = start_shared_server(express=lane)
    return server, warm(server)


def warm(server: Server) -> int:
    """Return the memory that a server has after some requests."""
    for _ in range(50):
        assert httpx.post(server.url + "/predict", content=SMALL).status_code == 200
    forget_peak(server.process.pid)
    return resident(server.process.pid)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_refused_body_takes_little_memory(warmed: tuple[Server, int], body: bytes) -> None:
    server, rest = warmed
    forget_peak(server.process.pid)

    answer = httpx.post(server.url + ("/softmax" if b"logits" in body[:20] else "/predict"), content=body, timeout=60)

    assert answer.status_code in {413, 422}
    assert peak(server.process.pid) - rest <= 4 * MAX_BODY


TABLES = {
    "a text of ends of rows": b'{"instances":[[1,"%s",1,true,1,""]]}' % (rb"],[\"" * (MAX_BODY // 6)),
    "rows of lists": b'{"instances":[[%s]]}' % b",".join([b"[]"] * (MAX_BODY // 4)),
    "one row": b'{"instances":[[%s]]}' % b",".join([b"1"] * (MAX_BODY // 3)),
    "empty rows": b'{"instances":[%s]}' % b",".join([b"[]"] * (MAX_BODY // 4)),
    "many names": b'{"instances":[{%s}]}' % b",".join(b'"%x":1' % name for name in range(MAX_BODY // 12)),
    "long rows": b'{"instances":[%s]}' % b",".join([b"[1,2,3,4,5,6,7]"] * (MAX_BODY // 20)),
}


def test_a_refused_table_takes_little_memory(start_server: StartServer, tmp_path: Path, lane: str) -> None:
    publish_mixed(tmp_path)
    server = start_server(express=lane, models_dir=str(tmp_path))
    url = server.url + "/models/people/predict"
    for _ in range(50):
        assert httpx.post(url, json={"instances": ROWS}).status_code == 200
    rest = resident(server.process.pid)
    for name, body in TABLES.items():
        forget_peak(server.process.pid)

        answer = httpx.post(url, content=body, timeout=60)

        assert answer.status_code in {413, 422}, name
        assert peak(server.process.pid) - rest <= 4 * MAX_BODY, name


def test_many_large_bodies_leave_room_for_small_ones(start_server: StartServer, lane: str) -> None:
    server = start_server(express=lane)
    rest = warm(server)

    large, small = attack(server.url, BODIES, parallel=30, rounds=1)

    assert set(large) <= {413, 422, 429}
    assert set(small) == {200}
    assert peak(server.process.pid) - rest < 128 * MIB  # the budget, and one body that is decoded


def test_what_does_not_fit_is_refused_before_it_is_read(start_server: StartServer, lane: str) -> None:
    server = start_server(express=lane, max_inflight_bytes="1000000")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 700000\r\n\r\n"
    with connect(server.port) as first, connect(server.port) as second:
        first.sendall(head + b"{")
        assert httpx.get(server.url + "/livez").status_code == 200
        second.sendall(head)
        answer = receive(second)

        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"\r\nretry-after: 1\r\n" in answer
        assert b"1000000 bytes of the setting max_inflight_bytes" in answer
        assert httpx.post(server.url + "/predict", content=SMALL).status_code == 200
    assert httpx.post(server.url + "/predict", content=SMALL.ljust(700_000)).status_code == 200


def test_the_texts_of_a_compressed_body_count(start_server: StartServer, tmp_path: Path, lane: str) -> None:
    columns, rows = 100, 100
    publish_texts(tmp_path, columns)
    server = start_server(express=lane, models_dir=str(tmp_path), max_inflight_bytes="1000000")
    texts = b"\x02\0\0\0ab" * (columns * rows)
    place = {"binary_data_size": len(texts)}
    tensor = {"name": "texts", "datatype": "BYTES", "shape": [rows, columns], "parameters": place}
    text = orjson.dumps({"inputs": [tensor]})
    headers = {"Content-Encoding": "deflate", "Inference-Header-Content-Length": str(len(text))}

    def post() -> int:
        url = server.url + "/v2/models/texts/infer"
        return httpx.post(url, content=zlib.compress(text + texts), headers=headers).status_code

    assert post() == 200
    with connect(server.port) as other:
        other.sendall(b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n{")
        assert httpx.get(server.url + "/livez").status_code == 200

        assert post() == 429


def test_chunks_count_as_they_come(start_server: StartServer) -> None:
    server = start_server(max_inflight_bytes="1000000")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"30d40\r\n" + b" " * 200_000 + b"\r\n"
    with connect(server.port) as first, connect(server.port) as second:
        first.sendall(head + 3 * chunk)
        assert httpx.get(server.url + "/livez").status_code == 200
        second.sendall(head + 3 * chunk)

        assert receive(second).startswith(b"HTTP/1.1 429 ")


def test_answers_that_nobody_reads_count(start_server: StartServer, lane: str) -> None:
    server = start_server(express=lane, max_inflight_bytes="20000000")
    logits = b'{"logits": [%s], "include": ["log_probabilities", "sigmoid"]}' % b",".join([b"1.5"] * 400_000)
    ask = b"POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(logits), logits)
    statuses = []
    connections = [connect(server.port) for _ in range(8)]
    for connection in connections:
        connection.sendall(ask)
        statuses.append(connection.recv(12))
    for connection in connections:
        connection.close()

    assert statuses[0] == b"HTTP/1.1 200"
    assert statuses[-1] == b"HTTP/1.1 429"


def test_an_answer_that_was_read_leaves_the_budget(start_server: StartServer, lane: str) -> None:
    server = start_server(express=lane, max_inflight_bytes="20000000")
    logits = b'{"logits": [%s]}' % b",".join([b"1.5"] * 600_000)
    with (
        httpx.Client(base_url=server.url, timeout=60) as first,
        httpx.Client(base_url=server.url, timeout=60) as second,
    ):
        for client in (first, second, first):
            assert client.post("/softmax", content=logits).status_code == 200


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(b" " * MAX_BODY, mtime=0)),
        ("deflate", zlib.compress(b"[" * MAX_BODY)),
        ("gzip", gzip.compress(b" " * 64 * MIB, mtime=0) * 128),  # 8 GiB
        ("gzip", gzip.compress(b"", mtime=0) * 100_000),
    ],
    ids=["blanks", "brackets", "8 GiB", "empty members"],
)
def test_a_bomb_is_inflated_to_its_limit_only(warmed: tuple[Server, int], encoding: str, bomb: bytes) -> None:
    server, rest = warmed
    forget_peak(server.process.pid)

    answer = httpx.post(server.url + INFER, content=bomb, headers={"Content-Encoding": encoding}, timeout=60)

    assert answer.status_code in {400, 413}
    assert peak(server.process.pid) - rest <= 4 * MAX_BODY
