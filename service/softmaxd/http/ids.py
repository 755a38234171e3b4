"""The ids of a request, by which its answer, its log line and its trace are found.

They are header fields of the answer: `X-Request-ID`, then `traceparent` if the request is part of a trace.
"""

import re
from collections.abc import Iterable
from itertools import count, repeat
from random import getrandbits
from secrets import token_hex

REQUEST_ID, TRACEPARENT = b"x-request-id", b"traceparent"
IDS = {REQUEST_ID, TRACEPARENT}
VISIBLE, MAX_ID_BYTES = bytes(range(ord("!"), ord("~") + 1)), 128
# version, trace id, id of the parent span and flags (W3C Trace Context, section 3.2); later versions may have more
PARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?")
KNOWN_FLAGS = 0b11  # sampled, and random trace id

Ids = tuple[tuple[bytes, bytes], ...]

# Makes the ids of a request that has none of its own: unique to this process, then counted. Every request calls it, so
# it runs no line of Python.
new_ids = zip(zip(repeat(REQUEST_ID), map((token_hex(8).encode() + b"-%x").__mod__, count(1)))).__next__


def ids_of(headers: Iterable[tuple[bytes, bytes]]) -> Ids:
    """Return the ids of a request with these headers, whose names are in lower case.

    A request id of 1 to 128 visible ASCII characters is taken over. A trace goes on with a span of its own for this
    request. A header that is repeated or malformed counts as absent.
    """
    own = [(name, value) for name, value in headers if name in IDS]
    return continue_ids(own) if own else new_ids()


def describe(ids: Ids) -> dict[str, str]:
    """Return ids as fields of a log line: `request_id`, and `trace_id` and `span_id` if there is a trace."""
    fields = {"request_id": ids[0][1].decode("ascii")} if ids else {}
    if len(ids) > 1:
        _, fields["trace_id"], fields["span_id"], _ = ids[1][1].decode("ascii").split("-")
    return fields


def continue_ids(own: Iterable[tuple[bytes, bytes]]) -> Ids:
    """Return the ids that follow from the fields of a request that name some."""
    request_ids = [value for name, value in own if name == REQUEST_ID]
    parents = [value for name, value in own if name == TRACEPARENT]
    ids = ((REQUEST_ID, request_ids[0]),) if len(request_ids) == 1 and is_sane(request_ids[0]) else new_ids()
    parent = PARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if parent is None or (parent[1] == b"00" and parent[4]):
        return ids
    return (
        *ids,
        (TRACEPARENT, b"00-%s-%016x-%02x" % (parent[2], getrandbits(64) or 1, int(parent[3], 16) & KNOWN_FLAGS)),
    )


def is_sane(request_id: bytes) -> bool:
    """Return True for 1 to 128 visible ASCII characters."""
    return 0 < len(request_id) <= MAX_ID_BYTES and not request_id.translate(None, VISIBLE)
