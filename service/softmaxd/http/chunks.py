"""Finds where a chunked body ends, so that a connection parses one request at a time."""

import re

MAX_CHUNKS = 1000  # of one piece: a body of tiny chunks takes the event loop in turns
SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(?:[;\t ].*)?\r\n", re.DOTALL)


class Chunks:
    """Cuts a chunked body into pieces; the parser, which gets them, checks them. See RFC 9112, section 7.1."""

    __slots__ = ("_data_left", "_in_trailer", "_line")

    def __init__(self) -> None:
        self._data_left = 0  # bytes of the present chunk, its line end included
        self._in_trailer = False  # after the last chunk
        self._line = b""  # the beginning of a line, received before

    def cut(self, received: bytes, start: int) -> int:
        """Return the end of a piece that begins at `start`: at most `MAX_CHUNKS` chunks, and nothing after the body."""
        at = start
        for _ in range(MAX_CHUNKS):
            at += self._skip(len(received) - at)
            end = received.find(b"\n", at) + 1
            if not end:
                self._line += received[at:]
                return len(received)
            line, self._line, at = self._line + received[at:end], b"", end
            if self._in_trailer:
                if line == b"\r\n":
                    return at
            elif not self._begin_chunk(line):
                return len(received)
        return at

    def _skip(self, most: int) -> int:
        """Skip data of the present chunk, and return the number of its bytes."""
        skipped = min(self._data_left, most)
        self._data_left -= skipped
        return skipped

    def _begin_chunk(self, size_line: bytes) -> bool:
        """Read the size of a chunk; return False if it is none, which the parser refuses."""
        found = SIZE_LINE.fullmatch(size_line)
        if not found:
            return False
        size = int(found[1], 16)
        self._in_trailer = size == 0
        self._data_left = size + len(b"\r\n") if size else 0
        return True
