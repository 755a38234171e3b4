"""Requests whose answers are known before: computed in this process, one by one, by an application of its own."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from softmaxd.app import create_app
from softmaxd.models.engine import Engine
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.onnx_models import linear
from tests.support.raw_requests import INFER, INFERENCE, RAW, chunked, request
from tests.support.wrong_bodies import MALFORMED

FILES = 10  # that the versions of the model `linear` go round
ROWS = [[0.25, -0.5], [1.5, 3.0]]
LARGE_ROWS, HUGE_ROWS = 10_000, 100_000
FLOATS = np.random.default_rng(0).normal(size=(HUGE_ROWS, 2)).astype(np.float32)
TOO_LARGE_ANSWER = b'{"logits": [%s], "include": ["log_probabilities", "sigmoid"]}' % b",".join(
    [b"[%s]" % b",".join([b"1"] * 1000)] * 700
)

Check = Callable[[int, bytes], bool]  # takes status and body, inflated


@dataclass(frozen=True, slots=True)
class Question:
    """A request in bytes, and the check of its answer."""

    name: str
    content: bytes
    check: Check


def _fields(*fields: bytes) -> dict[str, str]:
    pairs = (field.decode().split(": ", 1) for field in fields)
    return dict(pairs)


def _known() -> Iterator[tuple[str, bytes, bytes, bytes, tuple[bytes, ...]]]:
    """Give name, method, path, body and header fields of requests to models that stay."""
    rows = b",".join([b"[%.4g,%.4g]" % tuple(row) for row in FLOATS[:LARGE_ROWS].tolist()])
    predict = b'{"instances": [[15.2, 0.3], [0.1, 14.7]], "include": ["logits", "typicality"], "top_k": 2}'
    yield "predict", b"POST", b"/predict", predict, ()
    yield "softmax", b"POST", b"/softmax", b'{"logits": [[1, 2], [3, 4]], "targets": [0, 1], "include": ["loss"]}', ()
    yield "v1", b"POST", b"/v1/models/iris:predict", b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}', ()
    yield "v2", b"POST", INFER, INFERENCE, ()
    yield "a query", b"POST", b"/predict?x=1", predict, ()
    yield "the models", b"GET", b"/models/blobs", b"", ()
    yield "metadata", b"GET", b"/v2/models/iris", b"", ()
    yield "large", b"POST", b"/predict", b'{"instances": [%s]}' % rows, ()
    yield "large softmax", b"POST", b"/softmax", b'{"logits": [%s], "include": ["entropy"]}' % rows, ()
    yield "large tensor", b"POST", INFER, FLOATS.tobytes(), (RAW,)
    inference = b'{"inputs":[{"name":"features","shape":[%d,2],"datatype":"FP32","data":[%s]}]}' % (LARGE_ROWS, rows)
    yield "deflated", b"POST", INFER, zlib.compress(inference), (b"Content-Encoding: deflate",)
    yield "gzip", b"POST", INFER, gzip.compress(inference), (b"Content-Encoding: gzip", b"Accept-Encoding: gzip")
    yield "bomb", b"POST", INFER, gzip.compress(bytes(10 * 2**20)), (b"Content-Encoding: gzip",)
    yield "too large an answer", b"POST", b"/softmax", TOO_LARGE_ANSWER, ()
    yield "a slow model", b"POST", b"/models/slow/predict", b'{"instances": [[3, 1], [2, 5]]}', ()
    yield "unknown", b"POST", b"/models/nope/predict", predict, ()
    yield "wrong method", b"PUT", b"/predict", predict, ()
    yield "wrong type", b"POST", b"/predict", predict, (b"Content-Type: text/plain",)
    yield "too many rows", b"POST", b"/predict", b'{"instances": [%s]}' % b",".join([b"[1,2]"] * (HUGE_ROWS + 1)), ()
    for name, body in MALFORMED.items():
        yield name, b"POST", b"/predict", body, ()


def _questions(models: Path) -> Iterator[Question]:
    app = create_app(Settings(models_dir=models))
    for name, method, path, body, fields in _known():
        response = ask(app, method.decode(), path.decode(), content=body, headers=_fields(*fields))
        known = response.status_code, response.content
        content = request(path, body, *fields, method=method)
        yield Question(name, content, lambda *answer, known=known: answer == known)
        if name in {"predict", "large", "v2"}:
            length = b"Transfer-Encoding: chunked"
            content = request(path, chunked(body, [5, 1, 999]), *fields, method=method, length=length)
            yield Question(f"{name}, chunked", content, lambda *answer, known=known: answer == known)


def _changing() -> Iterator[Question]:
    """Give requests to the model `linear`, whose answers depend on the version that they name."""
    golden = [_golden(number) for number in range(FILES)]

    def check(status: int, body: bytes) -> bool:
        answer = json.loads(body)
        return status == 200 and answer["logits"] == golden[int(answer["version"]) % FILES]

    def check_v2(status: int, body: bytes) -> bool:
        answer = json.loads(body)
        logits = next(output["data"] for output in answer["outputs"] if output["name"] == "logits")
        return status == 200 and logits == [*chain(*golden[int(answer["model_version"]) % FILES])]

    body = json.dumps({"instances": ROWS, "include": ["logits"]}).encode()
    yield Question("a model that changes", request(b"/models/linear/predict", body), check)
    tensor = {"name": "features", "shape": [2, 2], "datatype": "FP32", "data": ROWS}
    body = json.dumps({"inputs": [tensor]}).encode()
    yield Question("a model that changes, v2", request(b"/v2/models/linear/infer", body), check_v2)


def content_of(version: int) -> bytes:
    """Return the ONNX file of a version of `linear`."""
    content: bytes = linear((float(version % FILES), 0.0, 0.0)).SerializeToString()
    return content


def _golden(version: int) -> list[list[float]]:
    """Return the logits of `ROWS` as JSON has them: the shortest digits of float32."""
    logits = Engine(content_of(version), device="cpu").run(np.array(ROWS, dtype=np.float32))["logits"]
    return [[float(str(number)) for number in row] for row in logits]


def questions(models: Path) -> Mapping[str, Question]:
    """Return every question to these models by its name."""
    pages = [b"/metrics", b"/models", b"/livez", b"/readyz", b"/docs", b"/openapi.json", b"/v2/models/stats"]
    found = [*_questions(models), *_changing()]
    found += [
        Question(page.decode(), b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % page, lambda status, _: status == 200)
        for page in pages
    ]
    return {question.name: question for question in found}
