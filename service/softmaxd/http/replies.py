"""Writes replies to a connection, as HTTP/1.1."""

from asyncio import Transport
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from softmaxd.http.ids import Ids
from softmaxd.http.operation import JSON, Reply
from softmaxd.http.turns import LARGE_BYTES

OK = 200
SHORT = 1024  # bytes of a body
# the ends of heads after the request id, by the length of a short JSON body
TAILS = [b"\r\ncontent-length: %d\r\ncontent-type: application/json\r\n\r\n" % size for size in range(SHORT)]

Fields = Sequence[tuple[bytes, bytes]]


class OkReplies:
    """Writes replies of status 200 for all connections of a process; it keeps the bytes that every head begins with."""

    def __init__(self) -> None:
        self._default_fields: Fields | None = None
        self._first = b""

    def write(self, transport: Transport, reply: Reply, default_fields: Fields, ids: Ids) -> None:
        """Write a reply after which the connection stays open."""
        body = reply.body
        tail = (
            TAILS[len(body)] if len(body) < SHORT and reply.media_type is JSON and not reply.headers else tail_of(reply)
        )
        parts = (self.begin(default_fields), own_part(ids), tail, body)
        if len(body) < LARGE_BYTES:
            transport.write(b"".join(parts))
        else:  # a large body is not copied behind its head
            transport.writelines(parts)

    def begin(self, default_fields: Fields) -> bytes:
        """Return the bytes before the id of a request."""
        if default_fields is not self._default_fields:  # uvicorn makes new ones once a second, for the date
            self._default_fields = default_fields
            self._first = b"%s%sx-request-id: " % (STATUS_LINE[OK], header_lines(default_fields))
        return self._first


def own_part(ids: Ids) -> bytes:
    """Return the part of a head that differs from request to request: the value of the id, and further ids."""
    return ids[0][1] if len(ids) == 1 else b"%s\r\n%s" % (ids[0][1], header_lines(ids[1:])[:-2])


def tail_of(reply: Reply) -> bytes:
    """Return the end of the head of a reply, after the ids."""
    fields = (len(reply.body), reply.media_type, header_lines(reply.headers))
    return b"\r\ncontent-length: %d\r\ncontent-type: %s\r\n%s\r\n" % fields


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
    lines = b""
    for field in fields:  # mostly none or one, for which a list would be slow
        lines += b"%s: %s\r\n" % field
    return lines
