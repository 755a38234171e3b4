"""The end of a connection, in this process; tests/unit/softmaxd/http/test_timed.py has its deadlines."""

from typing import cast

from softmaxd.http.express import Call
from softmaxd.http.operation import Reply
from softmaxd.process import Server
from tests.support.one_connection import BODY, CHUNKED_HEAD, HEAD, connected, run

UPGRADE = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_after_its_last_answer_a_connection_is_deaf() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            await client.ask(HEAD, BODY)
            answered = client.side.cycle
            client.side.transport.close()
            client.side.data_received(CHUNKED_HEAD + b"1\r\n{\r\n0\r\n\r\n")
            client.side.data_received(UPGRADE)
            client.sweep(100, 1_000)
            client.side.send(cast(Call, answered), Reply(b"a second answer"))

            assert client.side._call is None
            assert client.side.lane.lifecycle.in_flight == 0
            assert await client.reader.read() == b""

    run(main)


def test_nothing_is_ended_once_more_where_the_client_was_gone_before_its_last_answer() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            await client.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            client.side.transport.abort()
            client.side.cycle.transport.close()  # as uvicorn does after a last answer

            assert not client.is_open

    run(main)


def test_a_request_in_the_express_lane_is_answered_before_a_shutdown_and_closes() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.side.data_received(HEAD + BODY)
            client.side.shutdown()

            answer = await client.reader.read()
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nconnection: close\r\n" in answer

    run(main)


def test_after_its_last_answer_a_connection_closes_at_a_shutdown() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await client.reader.read()).startswith(b"HTTP/1.1 200 ")
            assert client.is_open
            client.side.shutdown()
            assert not client.is_open

    run(main)


def test_a_closed_connection_holds_no_request() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as first, connected(server) as second:
            await first.ask(HEAD, BODY)
            for client in (first, second):
                client.side.data_received(HEAD + BODY)
            await first.ask()
            assert first.side._spare is not None
        await first.until(lambda: first.side.cycle is None)
        assert first.side._spare is first.side._call is None

    run(main)
