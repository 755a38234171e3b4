"""Our subclass of uvicorn's HTTP protocol: it bounds the header block, which uvicorn does not."""

from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.errors import HeadersTooLarge

MAX_HEAD_BYTES = 16 * 1024  # request target and headers
MAX_READ_BYTES = 256 * 1024  # that the event loop may hand over at once


class Connection(HttpToolsProtocol):
    """One connection. A head over the limit gets 431, one that is not HTTP gets 400, and both close it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_unparsed = 0  # httptools keeps an unfinished header to itself, however long it grows
        self._head_is_open = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_is_open and not self.transport.is_closing():
            self._head_unparsed += len(data)
            if self._head_unparsed > MAX_HEAD_BYTES + MAX_READ_BYTES:
                self._refuse(HeadersTooLarge.status, HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._head_bytes = self._head_unparsed = 0
        self._head_is_open = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_open = False
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what httptools could not parse, or what a callback refused by raising."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadersTooLarge.status, HEAD_TOO_LARGE)
        else:
            self._refuse(400, msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise HeadersTooLarge(HEAD_TOO_LARGE)

    def _refuse(self, status: int, detail: str) -> None:
        body = orjson.dumps({"detail": detail})
        head = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = [b"%s: %s\r\n" % header for header in head]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()


HEAD_TOO_LARGE = f"The request line and headers are larger than {MAX_HEAD_BYTES} bytes"
