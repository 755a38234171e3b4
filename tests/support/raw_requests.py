"""Requests in bytes, as a connection receives them: plain ones, odd ones and wrong ones."""

import struct
import zlib

MAX_ROWS, MAX_BODY_BYTES = 100, 100_000  # the limits of the service that answers them

Parts = list[bytes]  # the service has read each part before the next one comes


def request(
    target: bytes = b"/predict",
    body: bytes = b'{"instances": [[15.2, 0.3]]}',
    *fields: bytes,
    method: bytes = b"POST",
    version: bytes = b"1.1",
    length: bytes | None = None,
    end: bytes = b"\r\n",
) -> bytes:
    """Return a request with its Content-Length, or with the field `length` in its place."""
    lines = [b"%s %s HTTP/%s" % (method, target, version), b"Host: x", *fields]
    lines += [b"Content-Length: %d" % len(body) if length is None else length, b""]
    return b"".join(line + end for line in lines) + body


def chunked(body: bytes, sizes: list[int], trailer: bytes = b"") -> bytes:
    """Return a body in chunks of these sizes, and a last one with the rest."""
    chunks = []
    for size in sizes:
        chunks.append(body[:size])
        body = body[size:]
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, body] if chunk]
    return b"".join(parts) + b"0\r\n%s\r\n" % trailer


PREDICT = request()
SOFTMAX = request(b"/softmax", b'{"logits": [0.7, 1.5, 4.8]}')
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD, BODY = PREDICT[: PREDICT.index(b"{")], PREDICT[PREDICT.index(b"{") :]
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB"
UPGRADES = request(b"/predict", BODY, UPGRADE)
CHUNKED = request(body=chunked(BODY, [5, 1, 9]), length=b"Transfer-Encoding: chunked")
BROKEN = request(body=b"zz\r\n", length=b"Transfer-Encoding: chunked")
EXPECTS = request(b"/softmax", b'{"logits": [1, 2]}', b"Expect: 100-continue")
CLOSES = request(b"/predict", BODY, b"Connection: close")
TOO_MANY_ROWS = request(body=b'{"instances": [%s]}' % b",".join([b"[1, 2]"] * (MAX_ROWS + 1)))
TOO_LARGE = request(body=BODY.ljust(MAX_BODY_BYTES + 1))
LARGE = request(body=BODY.ljust(MAX_BODY_BYTES))
LONG_HEAD = request(b"/predict", BODY, b"X-Long: " + b"x" * 17_000)
ENDLESS_HEAD = b"POST /predict HTTP/1.1\r\nX-Endless: " + b"x" * 600_000
AS_LONG_AS_BODY = b"GET /".ljust(len(BODY) - 20, b"n") + b" HTTP/1.1\r\nHost:\r\n\r\n"

INFER = b"/v2/models/blobs/infer"
INFERENCE = b'{"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [15.2, 0.3]}]}'
MANY_ROWS = INFERENCE.replace(b"[1, 2]", b"[100, 2]").replace(b"15.2, 0.3", b", ".join([b"1.5, 2"] * 100))
TENSOR, RAW = struct.pack("<2f", 15.2, 0.3), b"Inference-Header-Content-Length: 0"
DEFLATED = request(INFER, zlib.compress(MANY_ROWS), b"Content-Encoding: deflate", b"Accept-Encoding: gzip")
BOMB = request(INFER, zlib.compress(b" " * 10 * MAX_BODY_BYTES), b"Content-Encoding: deflate")
