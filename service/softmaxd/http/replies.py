"""Writes replies to a connection, as HTTP/1.1."""

from asyncio import Transport
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from softmaxd.http.ids import Ids
from softmaxd.http.operation import JSON, Reply
from softmaxd.http.turns import LARGE_BYTES

OK = 200
TAIL_OF_JSON = b"\r\ncontent-type: application/json\r\n\r\n"

Fields = Sequence[tuple[bytes, bytes]]


class OkReplies:
    """Writes replies of status 200 for all connections of a process; it keeps the bytes that every head begins with."""

    def __init__(self) -> None:
        self._default_fields: Fields | None = None
        self._begin = b""

    def write(self, transport: Transport, reply: Reply, default_fields: Fields, ids: Ids) -> None:
        """Write a reply after which the connection stays open."""
        if default_fields is not self._default_fields:  # uvicorn makes new ones once a second, for the date
            self._default_fields = default_fields
            self._begin = b"%s%sx-request-id: " % (STATUS_LINE[OK], header_lines(default_fields))
        body, request_id = reply.body, ids[0][1]
        trace = header_lines(ids[1:]) if len(ids) > 1 else b""
        tail = TAIL_OF_JSON if reply.media_type is JSON and not reply.headers else _tail_of(reply)
        if len(body) < LARGE_BYTES:
            transport.write(
                b"%s%s\r\n%scontent-length: %d%s%s" % (self._begin, request_id, trace, len(body), tail, body)
            )
        else:  # a large body is not copied behind its head
            head = b"%s%s\r\n%scontent-length: %d%s" % (self._begin, request_id, trace, len(body), tail)
            transport.writelines((head, body))


def write_reply(
    transport: Transport, reply: Reply, default_fields: Fields, ids: Ids, *, close: bool, to_head: bool = False
) -> bool:
    """Write a reply of any status; return True if it is the last one, because it says so itself or is told to.

    A reply to HEAD has no body (RFC 9110, section 9.3.2).
    """
    fields = [*default_fields, *ids, *reply.fields]
    closes = any(name == b"connection" for name, _ in reply.headers)
    if close and not closes:
        fields.append((b"connection", b"close"))
    transport.write(
        b"".join([STATUS_LINE[reply.status], header_lines(fields), b"\r\n", b"" if to_head else reply.body])
    )
    return close or closes


class UnreadBytes:
    """Notices that the client of one connection has stopped reading."""

    __slots__ = ("_bytes", "_since")

    def __init__(self) -> None:
        self._bytes = 0  # when it was last asked
        self._since = 0.0

    def seconds(self, unread: int, now: float) -> float:
        """Return for how long some bytes have been unread, `unread` of them now, without any of them being read."""
        if not 0 < self._bytes <= unread:
            self._since = now
        self._bytes = unread
        return now - self._since if unread else 0.0


def header_lines(fields: Fields) -> bytes:
    """Return header fields as lines."""
    return b"".join([b"%s: %s\r\n" % field for field in fields])


def _tail_of(reply: Reply) -> bytes:
    """Return how the head of a reply ends, after the length of its body."""
    return b"\r\ncontent-type: %s\r\n%s\r\n" % (reply.media_type, header_lines(reply.headers))
