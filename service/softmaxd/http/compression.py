"""Compressed bodies: inflates requests within a limit, and deflates responses for clients that accept it."""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO

from softmaxd.errors import InvalidBody, Problem, TooLarge, UnsupportedMediaType

WINDOW_BITS = {b"gzip": 16 + zlib.MAX_WBITS, b"deflate": zlib.MAX_WBITS}  # HTTP's deflate is zlib's format
MIN_DEFLATED = 1024  # bytes; a smaller body fits into one packet anyway
MAX_DEFLATED = 4 * 2**20  # bytes; a larger body would keep the event loop for too long
PIECE = 64 * 1024  # bytes that are inflated at a time
MAX_MEMBERS = 1000  # of gzip in one body
LEVEL = 1  # higher levels take several times as long, and rows of numbers become hardly smaller


def check_encoding(content_encoding: bytes) -> None:
    """Raise `UnsupportedMediaType` for an encoding that `inflate` does not know."""
    _window_bits(content_encoding)


def inflate(body: bytes, content_encoding: bytes, *, max_bytes: int) -> bytes:
    """Return the inflated body.

    Raises `UnsupportedMediaType`, `InvalidBody`, or, before it inflates more than max_bytes, `TooLarge`.
    """
    window_bits = _window_bits(content_encoding)
    if window_bits is None:
        return body
    inflated = BytesIO()
    for piece in _inflated_pieces(body, window_bits):
        inflated.write(piece)
        if inflated.tell() > max_bytes:
            raise TooLarge(f"The inflated body is larger than {max_bytes} bytes")
    return inflated.getvalue()


def inflates_beyond(body: bytes, content_encoding: bytes, size: int) -> bool:
    """Return True if the inflated body has more than so many bytes; it inflates no more than that."""
    try:
        inflate(body, content_encoding, max_bytes=size)
    except TooLarge:
        return True
    except (InvalidBody, UnsupportedMediaType):  # it is refused later
        return False
    return False


def _inflated_pieces(body: bytes, window_bits: int) -> Iterator[bytes]:
    """Inflate a stream, or several one after the other in gzip's format (RFC 1952, section 2.2), piece by piece."""
    most = MAX_MEMBERS if window_bits > zlib.MAX_WBITS else 1
    reader, members = zlib.decompressobj(window_bits), 1
    try:
        for start in range(0, len(body), PIECE):
            rest = body[start : start + PIECE]
            while rest:
                if reader.eof:
                    if members == most:
                        raise _not_deflated()
                    reader, members = zlib.decompressobj(window_bits), members + 1
                yield reader.decompress(rest, PIECE)
                rest = reader.unused_data if reader.eof else reader.unconsumed_tail
    except zlib.error as error:
        raise _not_deflated() from error
    if not reader.eof:
        raise _not_deflated()


def _window_bits(content_encoding: bytes) -> int | None:
    encoding = content_encoding.strip().lower()
    if encoding in {b"", b"identity"}:
        return None
    if encoding not in WINDOW_BITS:
        raise UnsupportedMediaType("The Content-Encoding should be gzip or deflate (in zlib's format), or none")
    return WINDOW_BITS[encoding]


def _not_deflated() -> InvalidBody:
    message = "The body should be one complete stream in its Content-Encoding, with nothing after it"
    return InvalidBody(Problem(type="encoding_invalid", loc=[], msg=message))


@lru_cache(maxsize=64)
def accepted_encoding(accept_encoding: bytes) -> bytes | None:
    """Return gzip or deflate, whichever the client prefers, or None if it accepts neither; gzip wins a tie."""
    weights = dict.fromkeys(WINDOW_BITS, 0.0)
    for item in accept_encoding.lower().split(b","):
        name, _, parameter = (part.strip() for part in item.partition(b";"))
        if name in weights:
            weights[name] = _weight(parameter)
    best = max(weights, key=lambda name: weights[name])
    return best if weights[best] > 0 else None


def _weight(parameter: bytes) -> float:
    key, _, value = parameter.partition(b"=")
    try:
        return float(value) if key.strip() == b"q" else 1.0
    except ValueError:
        return 0.0  # an unreadable weight does not ask for compression


def deflate(body: bytes, encoding: bytes) -> bytes:
    """Return a body in an encoding."""
    writer = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW_BITS[encoding])
    return writer.compress(body) + writer.flush()
