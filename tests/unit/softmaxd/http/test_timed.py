"""The deadlines of one connection: the tests say when time passes."""

import pytest

from softmaxd.http.reading import BODY as IN_BODY
from softmaxd.process import Server
from tests.support.one_connection import BODY, CHUNKED_HEAD, HEAD, LONG_ANSWER, connected, run


def test_a_fresh_connection_is_closed_without_a_word_after_the_header_timeout() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.sweep(100, 110)
            assert client.is_open
            client.sweep(110.1)

            assert await client.reader.read() == b""

    run(main)


def test_a_head_has_its_whole_time_from_the_first_sweep_that_sees_it() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.sweep(100)
            client.writer.write(HEAD[:20])
            await client.until(lambda: client.side.headers is not None)
            client.sweep(111, 121)
            assert client.is_open
            client.sweep(121.1)

            assert (await client.reader.read()).startswith(b"HTTP/1.1 408 ")

    run(main)


def test_a_head_has_its_whole_time_where_an_idle_connection_has_less() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.writer.write(HEAD[:20])
            await client.until(lambda: client.side.headers is not None)
            client.sweep(100, 109)
            assert client.is_open
            client.sweep(110.1)

            assert (await client.reader.read()).startswith(b"HTTP/1.1 408 ")

    run(main, keep_alive_timeout=5)


@pytest.mark.parametrize("head", [HEAD, CHUNKED_HEAD], ids=["express", "asgi"])
def test_a_body_has_its_whole_time(head: bytes) -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.sweep(100)
            client.writer.write(head)
            await client.until(lambda: client.side._phase is IN_BODY)
            client.sweep(111, 141)
            assert client.is_open
            client.sweep(141.1)

            assert (await client.reader.read()).startswith(b"HTTP/1.1 408 ")

    run(main)


@pytest.mark.parametrize(
    "sent",
    [HEAD[:-2], HEAD, CHUNKED_HEAD[:-4], CHUNKED_HEAD[:-4] + b"\r\nExpect: 100-continue\r\n"],
    ids=["head", "body", "chunks' head", "chunks"],
)
def test_a_request_that_comes_too_late_keeps_its_id(sent: bytes) -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            first = await client.ask(HEAD, BODY)
            client.writer.write(sent.replace(b"Host: x", b"Host: x\r\nX-Request-ID: mine"))
            await client.until(lambda: (b"x-request-id", b"mine") in (client.side.headers or ()))
            client.sweep(100, 200)

            answer = await client.reader.read()
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"\r\nx-request-id: mine\r\n" in answer
            assert b"mine" not in first

    run(main)


def test_an_idle_connection_is_kept_though_none_of_its_heads_was_parsed() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as first, connected(server) as second:
            await first.ask(HEAD, BODY)
            second.sweep(100)
            await second.ask(HEAD, BODY)
            second.sweep(109, 184)
            assert second.is_open
            second.sweep(184.1)

            assert await second.reader.read() == b""

    run(main)


@pytest.mark.parametrize(("version", "probes"), [(b"1.1", 2), (b"1.0", 0)])
def test_a_client_that_has_ended_its_side_is_asked_whether_it_waits(version: bytes, probes: int) -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.writer.write(CHUNKED_HEAD.replace(b"1.1", version) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
            await client.until(lambda: hasattr(client.side.cycle, "response_started"))
            client.writer.write_eof()
            await client.until(lambda: client.side._client_ended or client.side.cycle.response_complete)
            client.side.cycle.response_complete = False  # as if the model took its time
            client.sweep(100, 101, 102)
            client.side.transport.close()

            assert (await client.reader.read()).count(b"HTTP/1.1 100 Continue\r\n\r\n") == probes

    run(main)


def test_a_body_that_stops_after_its_answer_has_begun_is_cut_off() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.sweep(100)
            client.writer.write(CHUNKED_HEAD)
            await client.until(lambda: client.side._phase is IN_BODY)
            client.side.cycle.response_started = True
            client.sweep(111, 141.1)

            assert await client.reader.read() == b""

    run(main)


def test_a_client_that_reads_nothing_is_cut() -> None:
    async def main(server: Server) -> None:
        async with connected(server) as client:
            client.sweep(100)
            size = client.side.transport.get_write_buffer_size
            client.writer.write(LONG_ANSWER)
            await client.until(lambda: client.side.flow.write_paused)
            client.sweep(111, 141)
            assert client.is_open
            before = size()
            await client.reader.readexactly(100_000)
            await client.until(lambda: size() < before)
            client.sweep(141.1, 171.1)
            assert client.is_open
            client.sweep(171.2)
            assert not client.is_open

    run(main)
