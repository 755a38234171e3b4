import asyncio
from collections.abc import Iterable

import pytest

from softmaxd.http.ids import Ids
from softmaxd.http.operation import JSON, Reply
from softmaxd.http.replies import OkReplies, UnreadBytes, write_reply
from softmaxd.http.turns import LARGE_BYTES

DATE = [(b"date", b"today")]
ID = ((b"x-request-id", b"7"),)
TRACED = (*ID, (b"traceparent", b"00-ab-cd-01"))


class Transport(asyncio.Transport):
    """Keeps the bytes that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_open = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.written += b"".join(list_of_data)

    def close(self) -> None:
        self.is_open = False


@pytest.mark.parametrize("body", [b"{}", b"x" * LARGE_BYTES])
@pytest.mark.parametrize("media_type", [JSON, b"application/octet-stream"])
@pytest.mark.parametrize("headers", [(), ((b"x-a", b"1"),)])
@pytest.mark.parametrize("ids", [ID, TRACED])
def test_a_200_has_the_same_bytes_either_way(
    body: bytes, media_type: bytes, headers: tuple[tuple[bytes, bytes], ...], ids: Ids
) -> None:
    quick, plain, reply = Transport(), Transport(), Reply(body, 200, media_type, headers)

    OkReplies().write(quick, reply, DATE, ids)
    write_reply(plain, reply, DATE, ids, close=False)

    assert quick.written == plain.written
    assert quick.is_open
    assert plain.is_open


def test_the_date_is_the_one_of_now() -> None:
    transport, replies = Transport(), OkReplies()

    for date in (b"one", b"two"):
        replies.write(transport, Reply(b"{}"), [(b"date", date)], ID)

    assert transport.written == b"".join(
        b"HTTP/1.1 200 OK\r\ndate: %s\r\nx-request-id: 7\r\ncontent-length: 2\r\n"
        b"content-type: application/json\r\n\r\n{}" % date
        for date in (b"one", b"two")
    )


@pytest.mark.parametrize(("headers", "close"), [((), True), (((b"connection", b"close"),), False)])
def test_a_reply_that_closes_says_so_once(headers: tuple[tuple[bytes, bytes], ...], close: bool) -> None:
    transport = Transport()

    assert write_reply(transport, Reply(b"no", 408, b"text/plain", headers), DATE, ID, close=close)

    assert transport.written == (
        b"HTTP/1.1 408 Request Timeout\r\ndate: today\r\nx-request-id: 7\r\ncontent-length: 2\r\n"
        b"content-type: text/plain\r\n"
        b"connection: close\r\n\r\nno"
    )


@pytest.mark.parametrize(
    ("sweeps", "seconds"),
    [
        ([(0, 100), (0, 200)], 0),
        ([(5, 100), (5, 130)], 30),
        ([(5, 100), (9, 130)], 30),
        ([(5, 100), (4, 130), (4, 150)], 20),
        ([(5, 100), (0, 130), (5, 140), (6, 145)], 5),
    ],
    ids=["nothing unread", "the same", "more", "some was read", "all was read"],
)
def test_bytes_are_unread_since_the_client_last_read(sweeps: list[tuple[int, float]], seconds: float) -> None:
    unread = UnreadBytes()

    assert [unread.seconds(number, now) for number, now in sweeps][-1] == seconds
