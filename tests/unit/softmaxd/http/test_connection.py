"""One connection of the service in this process; tests/unit/softmaxd/http/test_timed.py has its deadlines."""

import asyncio
import json
import logging
import re
import threading
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, NoReturn

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from softmaxd.errors import ModelNotFound
from softmaxd.http.closing import Closing
from softmaxd.http.connection import MAX_HELD_BYTES, Connection
from softmaxd.http.heads import PlainHeads
from softmaxd.http.reading import Reader
from softmaxd.http.timed import Timed
from softmaxd.http.turns import LARGE_BYTES
from softmaxd.logs import set_up_logs
from softmaxd.process import Server
from tests.support.one_connection import BODY, CHUNKED_HEAD, HEAD, LONG_ANSWER, connected, run
from tests.support.operations import changed
from tests.support.uvicorn_names import names_after, names_of_base

UPGRADE = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


NOT_NOW: dict[bytes, dict[str, Any]] = {
    b"429": {"max_queued_rows": 1},
    b"503": {"default_model": "later"},
    b"504": {"queue_timeout": 1e-300},
}


@pytest.mark.parametrize("express", ["on", "off"])
@pytest.mark.parametrize("status", NOT_NOW)
def test_a_request_that_is_not_answered_now_keeps_its_id(status: bytes, express: str) -> None:
    rows = b'{"instances": [[15.2, 0.3], [1, 2]]}'
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(rows)

    async def main(server: Server) -> None:
        async with connected(server) as client:
            own = await client.ask(head.replace(b"Host", b"X-Request-ID: mine\r\nHost"), rows)
            made = await client.ask(head, rows)

        assert own.startswith(b"HTTP/1.1 %s " % status)
        assert made.startswith(b"HTTP/1.1 %s " % status)
        assert b"\r\nx-request-id: mine\r\n" in own
        assert re.search(rb"\r\nx-request-id: [0-9a-f]{16}-[0-9a-f]+\r\n", made)

    run(main, express, **NOT_NOW[status])


def test_with_a_known_head_each_answer_has_an_id_of_its_own() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            known = client.side.lane.heads.known
            answers = [await client.ask(HEAD, BODY) for _ in range(20)]
            assert len({answer.partition(b"x-request-id: ")[2].split()[0] for answer in answers}) == 20
            assert list(known) == [HEAD]

            for field in (b"X-Request-ID: %d", b"traceparent: 00-%032x-00f067aa0ba902b7-01"):
                for number in range(1, 20):
                    own = field % number
                    answer = await client.ask(HEAD.replace(b"Host: x", b"Host: x\r\n" + own), BODY)
                    assert own[:48].lower() in answer
            assert list(known) == [HEAD]
            assert b"x-request-id: 19\r\n" not in await client.ask(HEAD, BODY)

    run(main)


def test_a_request_is_counted_unless_its_client_has_left() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            lane = client.side.lane
            await client.ask(HEAD, BODY)
            client.writer.write(HEAD + BODY[:-1])
            await client.until(lambda: lane.lifecycle.in_flight)

        assert lane.lifecycle.in_flight == 0
        lines = lane.metrics.render().decode().splitlines()
        assert [line for line in lines if 'total{operation="/predict"' in line and not line.endswith(" 0")] == [
            'softmaxd_requests_total{operation="/predict",status="200",lane="express",model="blobs",version="2"} 1'
        ]

    run(main)


@pytest.mark.parametrize(
    ("settings", "lines"), [({}, 0), ({"access_log": "all"}, 2), ({"slow_request_seconds": 1e-9}, 2)], ids=str
)
def test_an_answer_gets_its_line_from_the_express_lane(
    settings: dict[str, Any], lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "softmaxd.http.access_log")

    async def main(server: Server) -> None:
        async with connected(server) as client:
            for _ in range(2):
                await client.ask(HEAD, BODY)

    run(main, **settings)

    assert caplog.messages == ["POST /predict: 200"] * lines


def test_the_traceback_of_a_bug_has_the_id_of_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    async def main(server: Server) -> None:
        app: Any = server.config.loaded_app
        app.add_api_route("/bug", lambda: 1 // 0)
        async with connected(server) as client:
            head = await client.ask(b"GET /bug HTTP/1.1\r\nHost: x\r\nX-Request-ID: mine\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 500 ")

    try:
        set_up_logs("json", "info")
        run(main)
    finally:
        root.handlers = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        threading.excepthook = threading.__excepthook__

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "mine" in line]
    assert [line["message"].strip() for line in lines] == ["GET /bug: 500", "Exception in ASGI application"]
    assert "ZeroDivisionError" in lines[1]["exc_info"]


def test_a_head_that_is_known_of_a_model_that_has_gone_is_parsed_again() -> None:
    def gone(_name: str | None, _version: str | None) -> NoReturn:
        raise ModelNotFound("gone")

    async def main(server: Server) -> None:
        async with connected(server) as client:
            await client.ask(HEAD, BODY)
            known = client.side.lane.heads.known[HEAD]
            operation, name, version = known.target
            client.side.lane.heads.known[HEAD] = replace(known, target=(changed(operation, find=gone), name, version))

            assert (await client.ask(HEAD, BODY)).startswith(b"HTTP/1.1 200 ")

    run(main)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (UPGRADE, b"200"),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    ],
)
def test_a_request_for_another_protocol_is_answered_in_this_one(head: bytes, status: bytes) -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            assert (await client.ask(head)).split()[1] == status

    run(main)


def test_an_answer_waits_until_the_one_before_it_is_read() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client, asyncio.timeout(10):
            client.writer.write(LONG_ANSWER + CHUNKED_HEAD + b"0\r\n\r\n")
            await client.until(lambda: client.side.flow.write_paused)
            assert client.side.flow.read_paused

            answers = bytearray()
            while not (b"HTTP/1.1 422 " in answers[-1000:] and answers.endswith(b"]}")):
                answers += await client.reader.read(2**16)

            assert answers.startswith(b"HTTP/1.1 200 ")
            assert (await client.ask(HEAD, BODY)).startswith(b"HTTP/1.1 200 ")

    run(main)


def test_a_body_that_arrives_stays_in_the_budget_when_an_answer_is_read() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            share = client.side._share
            client.writer.write(CHUNKED_HEAD + b"5\r\n12345\r\n")
            await client.until(lambda: share.held)
            held = share.held
            client.side.resume_writing()
            assert share.held == held > 0

    run(main)


def test_nothing_more_is_read_from_a_client_until_it_has_read() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client, asyncio.timeout(10):
            client.writer.write(LONG_ANSWER)
            await client.until(lambda: client.side.flow.read_paused)
            client.writer.write(HEAD + BODY)
            answers = bytearray()
            while b'"model":"blobs"' not in answers[-1000:]:
                answers += await client.reader.read(2**16)

    run(main)


PARTS = (Connection, Closing, Timed, Reader)  # of a connection
OF_PROTOCOL = {
    *("connection_made", "connection_lost", "data_received", "eof_received", "resume_writing", "shutdown"),
    *("on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body", "on_message_complete"),
    *("on_response_complete", "transport", "flow", "server_state", "parser", "loop"),
    *("url", "headers", "expect_100_continue", "cycle", "scope", "client"),
}
OF_FLOW = {"pause_reading", "read_paused", "write_paused"}
OF_STATE = {"default_headers"}
OF_CYCLE = {
    *("response_complete", "keep_alive", "disconnected", "message_event", "body", "more_body"),
    *("transport", "default_headers", "waiting_for_100_continue"),
}  # and `response_started`, by getattr: a call of the express lane has none
TAKEN_FROM_CYCLE = {"response_complete", "keep_alive", "disconnected", "message_event", "body", "more_body"}


def test_uvicorn_has_the_names_that_a_connection_uses() -> None:
    async def main(server: Server) -> None:
        protocol = HttpToolsProtocol(server.config, server.server_state, {})
        protocol.on_message_begin()  # from here on it has a `url`

        assert names_of_base(protocol, *PARTS) == OF_PROTOCOL
        assert names_after("self.server_state", *PARTS) == OF_STATE
        assert names_after("self.flow", *PARTS) == OF_FLOW | {"read_more"}
        async with connected(server) as client:
            await client.ask(CHUNKED_HEAD, b"0\r\n\r\n")
            assert all(hasattr(client.side.cycle, name) for name in OF_CYCLE | {"response_started"})
            assert all(hasattr(client.side.flow, name) for name in OF_FLOW)
            assert all(hasattr(server.server_state, name) for name in OF_STATE)

    run(main)


def test_uvicorn_takes_nothing_else_from_the_cycle_that_a_call_replaces() -> None:
    assert names_after("self.cycle", HttpToolsProtocol) == TAKEN_FROM_CYCLE


def test_bytes_that_arrive_in_one_turn_are_one_request() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            for whole in (HEAD + BODY, HEAD + BODY):  # the head is new, then known
                for cut in (1, len(HEAD) - 1, len(HEAD), len(HEAD) + 1, len(whole)):
                    client.side.data_received(whole[:cut])
                    client.side.data_received(whole[cut:])
                    assert (await client.ask()).startswith(b"HTTP/1.1 200 ")
            client.side.data_received(HEAD + BODY)
            client.side.data_received(HEAD + BODY)  # before the answer to the first one
            assert [(await client.ask())[:12] for _ in range(2)] == [b"HTTP/1.1 200"] * 2
            assert client.side.lane.lifecycle.in_flight == 0

    run(main)


@pytest.mark.parametrize("times", [1, 2], ids=["alone", "in a pass"])
@pytest.mark.parametrize("known", [False, True])
def test_a_client_that_ends_its_side_at_once_gets_one_answer(times: int, *, known: bool) -> None:
    async def main(server: Server) -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connected(server)) for _ in range(times)]
            if known:
                await clients[0].ask(HEAD, BODY)
            for client in clients:
                client.side.data_received(HEAD + BODY)
                client.side.eof_received()
            answers = [await client.reader.read() for client in clients]
            assert [answer.count(b"HTTP/1.1 200 ") for answer in answers] == [1] * times
            assert all(b"\r\nconnection: close\r\n" in answer for answer in answers)
            assert clients[0].side.lane.lifecycle.in_flight == 0

    run(main)


def test_only_a_few_bytes_of_a_connection_are_held() -> None:
    body = BODY.ljust(MAX_HELD_BYTES)
    head = HEAD.replace(b"%d" % len(BODY), b"%d" % len(body))

    async def main(server: Server) -> None:
        async with connected(server) as client:
            budget = client.side.lane.budget
            client.side.data_received(HEAD)
            assert budget.held == 0
            client.side.data_received(BODY)
            await client.ask()
            client.side.data_received(head + body[:-1])
            assert budget.held == len(body)
            client.side.data_received(body[-1:])
            assert (await client.ask()).startswith(b"HTTP/1.1 200 ")

    run(main)


def test_a_large_request_that_is_read_early_waits_for_its_turn_once() -> None:
    body = BODY.ljust(LARGE_BYTES + 1)
    head = HEAD.replace(b"%d" % len(BODY), b"%d" % len(body))

    async def main(server: Server) -> None:
        async with connected(server) as client:
            await client.ask(head, body)
            client.side.data_received(head + body)
            client.side.read_held()
            assert (await client.ask()).startswith(b"HTTP/1.1 200 ")
            await client.ask(HEAD, BODY)
            assert client.side.lane.lifecycle.in_flight == 0

    run(main)


def test_a_bug_in_the_search_for_a_head_ends_its_connection_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("a bug")

    async def main(server: Server) -> None:
        async with connected(server) as client:
            monkeypatch.setattr(PlainHeads, "find_known", broken)
            client.writer.write(HEAD + BODY)

            assert await client.reader.read() == b""
            await client.until(lambda: not server.server_state.connections)
            assert client.side.lane.lifecycle.in_flight == 0

    run(main)
