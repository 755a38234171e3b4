"""Reads answers from a connection, one after the other."""

import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

INFLATE: Mapping[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.decompress, b"deflate": zlib.decompress}
CONTINUE = 100


class Closed(Exception):
    """The service closed the connection before a whole answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, header fields with names in lower case, and the body, inflated."""

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes

    @property
    def closes(self) -> bool:
        """True if no answer comes after this one."""
        return self.fields.get(b"connection") == b"close"


def read_answer(stream: BinaryIO) -> Answer:
    """Return the next answer. Raises `Closed`."""
    line = stream.readline()
    if not line:
        raise Closed
    status = int(line.split()[1])
    fields = {}
    while line := stream.readline().rstrip(b"\r\n"):
        name, _, value = line.partition(b": ")
        fields[name.lower()] = value
    if status == CONTINUE:
        return read_answer(stream)
    length = int(fields[b"content-length"])
    body = stream.read(length)
    if len(body) < length:
        raise Closed
    inflate = INFLATE.get(fields.get(b"content-encoding", b""), bytes)
    return Answer(status, fields, inflate(body))
