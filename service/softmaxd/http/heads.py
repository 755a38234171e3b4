"""Recognises the heads of requests that the express lane takes."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from softmaxd.access import Access
from softmaxd.errors import Forbidden, ServiceError
from softmaxd.http.asgi import MAX_DIGITS
from softmaxd.http.hosts import Hosts
from softmaxd.http.ids import IDS, REQUEST_ID, Ids, continue_ids, ids_of, is_sane
from softmaxd.http.operation import Headers, Operation
from softmaxd.http.targets import Target, Targets
from softmaxd.settings import Settings

MAX_KNOWN_HEADS, MAX_KNOWN_BYTES = 1024, 1024
NOT_PLAIN = {b"transfer-encoding", b"expect", b"upgrade", b"origin"}
END_OF_HEAD = b"\r\n\r\n"
NEVER = b"\0"  # no head begins with it
UNASKED = b"?"  # the kind of a body while no reader was asked for it
ID_LINE = re.compile(rb"\r\n(x-request-id|traceparent): ?([!-~]+)(?=\r\n)", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class PlainHead:
    """The head of a request that the express lane takes."""

    target: Target
    headers: Headers
    body_bytes: int
    encoding: bytes  # of the body; empty for none
    ids: Ids | None = None  # of a request that names some; None: they are made
    kind: bytes | None = UNASKED  # of its body: those of one kind may be read together; None: it never may


class PlainHeads:
    """Recognises heads by their target and headers, and remembers their bytes."""

    def __init__(self, operations: Iterable[Operation], settings: Settings, access: Access) -> None:
        self.known: dict[bytes, PlainHead] = {}  # always the same dict
        # the bytes before and after the request id of the head with one that was found last, and this head without it
        self._around_id = (NEVER, b"", b"")
        self.knows_rest = True  # False if requests are traced
        self._targets = Targets(operations, root_path=settings.root_path)
        self._hosts = Hosts(settings.allowed_hosts)
        self._max_body_bytes = settings.max_body_bytes
        self._access = access
        access.on_change.append(self.known.clear)  # a head that is remembered is not checked again

    def find_known(self, data: bytes) -> tuple[PlainHead | None, Ids | None, int]:
        """Return the remembered head with which bytes begin, or None; the ids that are in it; and where it ends.

        A head is remembered without its ids, which differ from request to request. Each of them is one line between two
        others, so the rest is the same head without them. A request whose trace is recorded needs all headers.
        """
        before, after, rest = self._around_id
        if data.startswith(before):  # as the head that was found last
            stop = data.find(b"\r\n", len(before))
            value, known = data[len(before) : stop], self.known.get(rest)
            if known is not None and data.startswith(after, stop) and is_sane(value):
                return known, ((REQUEST_ID, value),), stop + len(after)
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        known = self.known.get(data[:end])
        if known is not None or not self.knows_rest or end > 2 * MAX_KNOWN_BYTES:
            return known, None, end
        own, rest = [], data[:end]
        while known is None and (line := ID_LINE.search(rest)):
            own.append((line[1].lower(), line[2]))
            around = rest[: line.start(2)], rest[line.end(2) :]
            rest = rest[: line.start()] + rest[line.end() :]
            known = self.known.get(rest)  # in which there is no such line
        if known is None:
            return None, None, end
        if len(own) == 1 and own[0][0] == REQUEST_ID:
            self._around_id = *around, rest
        return known, continue_ids(own), end

    def find(self, target: bytes, headers: Headers) -> PlainHead | None:
        """Return the head of this POST, or None if the ASGI lane must answer it."""
        found = self._targets.find(target)
        if found is None:
            return None
        length, encoding = None, b""
        ids: Ids | None = None
        for name, value in headers:
            if name == b"content-length":
                length = int(value) if len(value) <= MAX_DIGITS else None
            elif name == b"content-encoding":
                encoding = value
            elif name in IDS:
                ids = ids or ids_of(headers)
            elif name in NOT_PLAIN:
                return None
        if length is None or length > self._max_body_bytes or not self._hosts.allow(headers):
            return None
        try:
            self._check(found, headers)
        except ServiceError:
            return None
        return PlainHead(found, headers, length, encoding, ids)

    def _check(self, target: Target, headers: Headers) -> None:
        """Raise `ServiceError` for a head that the ASGI lane must answer, which may refuse it."""
        operation, name, _ = target
        key = self._access.check(headers, operation.docs.scope, name)
        if name is None and key.models is not None:
            raise Forbidden("The path does not name the model, and a later request may find another one")
        operation.check(headers)

    def remember(self, head: bytes, plain: PlainHead, parsed_bytes: int) -> None:
        """Remember the bytes of a head, because clients send the same ones again and again.

        `head` may be other bytes than the head that was parsed, whose target and headers have `parsed_bytes`. A head
        with ids does not come again, but the rest of it may.
        """
        if len(head) > MAX_KNOWN_BYTES or not _is_all_of(head, plain, parsed_bytes):
            return
        if plain.ids is not None:
            head, number = ID_LINE.subn(b"", head)
            others = [field for field in plain.headers if field[0] not in IDS]
            if not self.knows_rest or number != len(plain.headers) - len(others):
                return
            plain = PlainHead(plain.target, others, plain.body_bytes, plain.encoding)
        if len(self.known) >= MAX_KNOWN_HEADS:
            self.known.clear()
        self.known[head] = plain


def _is_all_of(head: bytes, plain: PlainHead, parsed_bytes: int) -> bool:
    """Return whether these bytes are the parsed head and nothing else: each header is one line of them."""
    lines = len(plain.headers) + 2
    return (
        len(head) == len(b"POST  HTTP/1.1\r\n\r\n") + parsed_bytes and head.count(b"\n") == head.count(b"\r\n") == lines
    )
