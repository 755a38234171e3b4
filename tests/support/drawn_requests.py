"""Draws conversations of one connection, for Hypothesis."""

from hypothesis import strategies as st

from tests.support.raw_requests import (
    INFER,
    INFERENCE,
    MANY_ROWS,
    MAX_BODY_BYTES,
    MAX_ROWS,
    RAW,
    UPGRADE,
    Parts,
    chunked,
    request,
)

GOOD = {
    b"/predict": [
        b'{"instances": [[15.2, 0.3]]}',
        b'{"instances":[[1,2],[3,4]],"include":["logits","log_probabilities"],"top_k":2}',
        b'{"instances": [{"x1": 15.2, "x2": 0.3}]}',
        b'{"instances": [[1,2],[15,200]], "include": ["prediction_sets", "typicality"], "coverage": 0.999}',
    ],
    b"/softmax": [
        b'{"logits": [0.7, 1.5, 4.8]}',
        b'{"logits": [[1, 2], [3, 4]], "targets": [0, 1], "include": ["loss", "entropy", "sigmoid"]}',
    ],
}
GOOD[INFER] = [INFERENCE, INFERENCE[:-1] + b', "id": "a", "parameters": {"binary_data_output": true}}', MANY_ROWS]
GOOD[INFER].append(INFERENCE[:-1] + b', "outputs": [{"name": "prediction_sets"}, {"name": "typicality"}]}')
GOOD[b"/v2/repository/index"] = [b"", b'{"ready": true}']
GOOD[b"/models/blobs/predict"] = GOOD[b"/models/blobs/versions/1/predict"] = GOOD[b"/predict"]
BAD = [
    *(b"", b" ", b"not json", b"{}", b'{"instances": []}', b'{"logits": [NaN]}', b'{"instances": [[1e39, 0]]}'),
    *(b"\xff\r\n\r\n", b'{"logits": [%s]}' % b",".join([b"[1]"] * (MAX_ROWS + 1))),
]
ODD_TARGETS = [
    *(b"/predict?", b"/predict?x=1", b"/softmax?logits=1", b"/pr%65dict", b"/%73oftmax", b"//predict", b"/predict/"),
    *(
        b"/predict#x",
        b"http://x/predict",
        b"http://x:80/softmax?y",
        b"/models/nope/predict",
        b"/models/blo%62s/predict",
    ),
    *(b"/models/blobs/versions/99/predict", b"/models/blobs/versions/01/predict", b"/models/./predict", b"/PREDICT"),
    *(b"/models/blobs/versions/%s/predict" % (b"9" * 5000), b"/v2/models/blobs/versions/%s/infer" % (b"9" * 5000)),
    *(b"/models//predict", b"/models/blobs%2Fversions%2F1/predict"),
    *(b"/models/%00/predict", b"/models/%ED%A0%80/predict", b"/models/%2e%2e/predict", b"/v2/models/%ff/infer"),
    *(
        b"/predict?%ff=%00",
        b"/softmax?" + b"x" * 5000,
        b"/models/" + b"n" * 5000 + b"/predict",
        b"/v1/models/%2F:predict",
    ),
    *(b"/readyz", b"/models", b"/models/blobs", b"/", b"/nope"),
]
ODD_FIELDS = [
    UPGRADE,
    *(b"Connection: keep-alive", b"Connection: upgrade", b"Keep-Alive: timeout=5", b"Host: y", b"Accept: */*"),
    *(b"accept:*/*", b"X-A: 1", b"x-a:  1 ", b"X-Empty:", b"X-Bytes: \xe9\xff", b"X-Long: " + b"x" * 2000),
    *(b"Expect: 100-continue", b"EXPECT: 100-Continue", b"Expect: something", b"Content-Type: text/plain"),
    *(b"CONTENT-TYPE: application/json; charset=utf-8", b"Content-Type:", b"content-type: application/x+json"),
    *(b"Content-Encoding: gzip", b"Content-Encoding: identity", b"Accept-Encoding: gzip", b"accept-encoding: deflate"),
    *(b"X-Request-ID: a b", b"X-Request-ID: 7", b"Traceparent: 00-%s-%s-01" % (b"ab" * 16, b"cd" * 8)),
    *(RAW, b"Inference-Header-Content-Length: 20", b"inference-header-content-length: x"),
]
LAST_FIELDS = [  # after which the connection closes, or what came with them is dropped
    *(b"Connection: close", b"connection: Close", b"Connection: keep-alive, close", b"Content-Length : 1"),
    *(b"Bad Name: 1", b"X-Too-Long: " + b"x" * 17_000),
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request: two in three are plain, the others have something odd."""
    if draw(st.integers(0, 2)):
        target = draw(st.sampled_from(sorted(GOOD)))
        size = draw(st.sampled_from([0] * 50 + [MAX_BODY_BYTES, MAX_BODY_BYTES + 1]))
        return request(target, draw(st.sampled_from(GOOD[target] * 3 + BAD)).ljust(size))
    target = draw(st.sampled_from(sorted(GOOD) * 5 + ODD_TARGETS))
    body = draw(st.sampled_from([*GOOD.get(target, []), *BAD]))
    fields = draw(st.lists(st.sampled_from(ODD_FIELDS), max_size=2))
    method = draw(st.sampled_from([b"POST"] * 6 + [b"GET", b"HEAD", b"PUT", b"OPTIONS"]))
    long_length = b"Content-Length: %05000d" % len(body)
    length = draw(st.sampled_from([None] * 4 + [b"CONTENT-LENGTH:  00%d " % len(body), long_length, b""]))
    version, end = b"1.1", draw(st.sampled_from([b"\r\n"] * 20 + [b"\n"]))
    if length == b"":
        length = draw(st.sampled_from([b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"X-No: length"]))
        sizes, trailer = draw(st.lists(st.integers(1, 20), max_size=3)), draw(st.sampled_from([b"", b"X-T: 1\r\n"]))
        body = b"" if length == b"X-No: length" else chunked(body, sizes, trailer)
    elif draw(st.integers(0, 9)) == 0:
        fields.append(draw(st.sampled_from(LAST_FIELDS)))
        method = draw(st.sampled_from([method, b"post"]))
        version = draw(st.sampled_from([b"1.1", b"1.0"]))
        length = draw(st.sampled_from([length, b"Content-Length: 1\r\ncontent-length: 1", b"Content-Length: 1"]))
    before = draw(st.sampled_from([b""] * 5 + [b"\r\n", b"\n", b"\r\n\r\n"]))
    return before + request(target, body, *fields, method=method, version=version, length=length, end=end)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[int, Parts]:
    """Draw requests, some of them twice; return their number, and their bytes as they arrive."""
    drawn = draw(st.lists(requests(), min_size=1, max_size=6))
    drawn.extend(drawn[: draw(st.integers(0, 3))])
    stream = b"".join(drawn)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    anywhere = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    return len(drawn), draw(st.sampled_from([[stream], drawn, anywhere]))
