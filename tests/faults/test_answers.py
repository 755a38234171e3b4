"""Answers are bounded as requests are: one that would be too large is refused before the model runs."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import helper

from tests.support.metrics import metric
from tests.support.onnx_models import classifier, publish
from tests.support.server import StartServer

NUMBERS, BYTES = 100, 400  # the limits of the small service
ROW = [1.5, -2.5]
MIB = 1024  # KiB
WORST = 256  # MiB that one request may add at the most; the three that were unbounded added 500 to 1,140

Body = Callable[[int], object]
Make = Callable[[], bytes]


def instances(rows: int) -> list[list[float]]:
    return [ROW] * rows


def infer(rows: int, *outputs: object) -> dict[str, object]:
    tensor = {"name": "features", "shape": [rows, 2], "datatype": "FP32", "data": ROW * rows}
    return {"inputs": [tensor], "outputs": outputs}


def named(classes: int) -> dict[str, object]:
    return {"name": "probabilities", "parameters": {"classification": classes}}


BINARY = {"name": "probabilities", "parameters": {"binary_data": True}}
TRUST = ["logits", "log_probabilities", "typicality"]
CASES: dict[str, tuple[str, Body, int, str]] = {  # path, body of some rows, rows that fit, the limit that is reached
    "softmax": ("/softmax", lambda n: {"logits": [[1, 2, 3, 4]] * n}, 25, "numbers"),
    "softmax, more fields": (
        "/softmax",
        lambda n: {"logits": [[1, 2, 3, 4]] * n, "include": ["log_probabilities", "sigmoid", "entropy"]},
        7,
        "numbers",
    ),
    "predict": ("/predict", lambda n: {"instances": instances(n)}, 25, "numbers"),
    "predict, more fields": ("/predict", lambda n: {"instances": instances(n), "include": TRUST}, 7, "numbers"),
    "the labels of predict": ("/models/long/predict", lambda n: {"instances": instances(n)}, 2, "bytes"),
    "top_k": ("/predict", lambda n: {"instances": instances(n), "top_k": 2}, 5, "bytes"),
    "prediction sets": ("/predict", lambda n: {"instances": instances(n), "include": ["prediction_sets"]}, 8, "bytes"),
    "/v1": ("/v1/models/blobs:predict", lambda n: {"instances": instances(n)}, 25, "numbers"),
    "/v1, columnar": ("/v1/models/blobs:predict", lambda n: {"inputs": {"features": instances(n)}}, 25, "numbers"),
    "/v1, classify": ("/v1/models/blobs:classify", lambda n: {"examples": [{"x1": 1, "x2": 2}] * n}, 7, "bytes"),
    "/v2": ("/v2/models/blobs/infer", lambda n: infer(n, {"name": "logits"}), 25, "numbers"),
    "/v2, classification": ("/v2/models/blobs/infer", lambda n: infer(n, named(1)), 6, "bytes"),
    "/v2, binary": ("/v2/models/blobs/infer", lambda n: infer(n, BINARY), 25, "bytes"),
    "/v2, a small output": ("/v2/models/blobs/infer", lambda n: infer(n, {"name": "typicality"}), 25, "bytes"),
}


def wide(models: Path, name: str, labels: list[str]) -> None:
    """Publish a model of two features with these labels."""
    generator = np.random.default_rng(0)
    constants = {
        "weights": generator.normal(size=(2, len(labels))).astype(np.float32),
        "bias": generator.normal(size=len(labels)).astype(np.float32),
    }
    nodes = [helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"])]
    publish(models, 1, classifier(nodes, constants, classes=len(labels)).SerializeToString(), name=name, labels=labels)


@pytest.mark.parametrize("express", ["on", "off"])
def test_every_form_of_an_answer_is_refused_one_row_beyond_the_limit(
    start_server: StartServer, tmp_path: Path, express: str
) -> None:
    (tmp_path / "blobs").symlink_to(Path("models/blobs").resolve())
    wide(tmp_path, "long", ["a" * 195, "b"])
    server = start_server(
        models_dir=str(tmp_path), max_answer_numbers=str(NUMBERS), max_answer_bytes=str(BYTES), express=express
    )

    found = {}
    with httpx.Client(base_url=server.url) as client:
        for case, (path, body, fits, _) in CASES.items():
            largest, refused = (client.post(path, json=body(rows)) for rows in (fits, fits + 1))
            assert "connection" not in refused.headers
            [(key, message)] = refused.json().items()
            limit = re.search(rf"the setting max_answer_(\w+); .* {fits}$", message)
            found[case] = (largest.status_code, refused.status_code, key, limit and limit[1])

    assert found == {
        case: (200, 413, "error" if path.startswith("/v") else "detail", limit)
        for case, (path, _, _, limit) in CASES.items()
    }
    assert metric(server.url, "softmaxd_rejections_total", reason="answer_too_large") == len(CASES)


def rows_of(number: bytes, rows: int, classes: int) -> bytes:
    return b"[%s]" % b",".join([b"[%s]" % b",".join([number] * classes)] * rows)


INCLUDE = b'"include":["log_probabilities","entropy","sigmoid"]'
UNBOUNDED: dict[str, tuple[str, Make]] = {
    "4.2 million logits": ("/softmax", lambda: b'{"logits":[%s],%s}' % (b",".join([b"1"] * 4_190_000), INCLUDE)),
    "1,000 classes": ("/models/k1000/predict", lambda: b'{"instances":%s}' % rows_of(b"0.5", 10_000, 2)),
    "20,000 classes": ("/models/k20000/predict", lambda: b'{"instances":%s}' % rows_of(b"0.5", 1_000, 2)),
    "the best of 20,000 classes": (
        "/models/k20000/predict",
        lambda: b'{"instances":%s,"top_k":1}' % rows_of(b"0.5", 1_000, 2),
    ),
}
LARGEST: dict[str, tuple[str, Make]] = {
    "a vector of logits": ("/softmax", lambda: b'{"logits":[%s]}' % b",".join([b"-1.5", b"2"] * 995_000)),
    "logits with fields": ("/softmax", lambda: b'{"logits":%s,%s}' % (rows_of(b"-1.5", 6_600, 100), INCLUDE)),
    "probabilities": ("/models/k1000/predict", lambda: b'{"instances":%s}' % rows_of(b"0.5", 2_000, 2)),
    "top_k": ("/models/k1000/predict", lambda: b'{"instances":%s,"top_k":1000}' % rows_of(b"0.5", 800, 2)),
    "a binary output": (
        "/v2/models/k1000/infer",
        lambda: json.dumps(infer(8_388, BINARY)).encode(),
    ),
}


@pytest.fixture(scope="module")
def wide_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("models")
    for classes in (1_000, 20_000):
        wide(models, f"k{classes}", [f"label-{index}" for index in range(classes)])
    return models


def peak(pid: int) -> int:
    """Return the most KiB that a process has had resident."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize(
    ("case", "status", "most"),
    [*((case, 413, 64) for case in UNBOUNDED), *((case, 200, WORST) for case in LARGEST)],
)
def test_the_memory_of_one_request_is_bounded(
    start_server: StartServer, wide_models: Path, case: str, status: int, most: int
) -> None:
    server = start_server(models_dir=str(wide_models))
    path, make = (UNBOUNDED | LARGEST)[case]
    before = peak(server.process.pid)

    response = httpx.post(server.url + path, content=make(), timeout=60)

    assert response.status_code == status
    assert (peak(server.process.pid) - before) / MIB < most
