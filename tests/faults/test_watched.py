"""The servers of `make profile`: one has a watch over the parts of its requests, the other one sends a constant."""

import http.client
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.breakdown import KINDS, differences, loop_alone, watched
from benchmarks.contenders import Entry, Server, started
from benchmarks.load import Exchange, Reply
from benchmarks.questions import Questions
from benchmarks.watch import BATCHING, BODY, HEAD, METRICS, OUTSIDE, RUN, TEXT, read

from tests.support.paths import MODELS
from tests.support.sockets import connect

CONNECTIONS = 64
MOST_TURNS = 100
CORE = str(min(os.sched_getaffinity(0)))


@pytest.fixture(scope="module")
def questions() -> Questions:
    return Questions(MODELS / "blobs" / "2" / "model.onnx")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("watched") / "watch"


@pytest.fixture(scope="module")
def server(questions: Questions, file: Path) -> Iterator[Server]:
    with started(Entry(replace(watched(MODELS, file), cores=CORE), questions.one)) as server:
        yield server


@pytest.fixture(params=KINDS)
def question(request: pytest.FixtureRequest, questions: Questions) -> Exchange:
    exchange: Exchange = getattr(questions, KINDS[request.param])
    return exchange


@contextmanager
def connected(port: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(connect(port))) for _ in range(CONNECTIONS)]


def ask_together(connections: list[socket.socket], exchange: Exchange) -> None:
    """Send a request on each connection, each in one piece, then check all answers."""
    fields = {"Host": "localhost", "Content-Length": len(exchange.body), **exchange.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    for connection in connections:
        connection.sendall(f"POST {exchange.path} HTTP/1.1\r\n{lines}\r\n".encode() + exchange.body)
    for connection in connections:
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        reply = Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        assert reply.status == 200
        exchange.check(reply)


def test_the_watch_sees_each_request_and_all_its_parts_and_the_answers_are_right(
    server: Server, file: Path, question: Exchange
) -> None:
    begin, before = time.perf_counter_ns(), read(file)

    with connected(server.port) as connections:
        for turn in range(MOST_TURNS):  # until enough requests have arrived in one turn of the service's loop
            ask_together(connections, question)
            asked = (turn + 1) * CONNECTIONS
            nanoseconds, calls = differences(before, read(file))
            if all(calls[part] for part in (BODY, RUN, TEXT, METRICS)):
                break

    assert 0 < calls[HEAD] - asked <= calls[BATCHING]  # each pass reads heads once
    assert all(calls[part] for part in (BATCHING, BODY, RUN, TEXT, METRICS))
    assert sum(nanoseconds) - nanoseconds[OUTSIDE] <= time.perf_counter_ns() - begin


def test_the_constant_is_the_answer_of_the_service(server: Server, question: Exchange) -> None:
    alone = loop_alone(server, question)

    with (
        started(replace(alone, contender=replace(alone.contender, cores=CORE))) as constants,
        connected(constants.port) as connections,
    ):
        ask_together(connections, alone.exchange)
        ask_together(connections, question)
