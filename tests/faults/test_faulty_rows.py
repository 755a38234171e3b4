"""Rows that the model cannot run, or answers with numbers that are not finite: only their own client hears of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import helper

from tests.support.metrics import metric
from tests.support.onnx_models import classifier, publish, publish_embedding
from tests.support.server import Server, StartServer
from tests.support.sockets import post_together

CATEGORIES = 5
OUT_OF_TABLE, NOT_FINITE = CATEGORIES, 0
CLIENTS = 30
SENTENCE = (
    "The model cannot run these rows: indices element out of data bounds, idx=5 must be within the inclusive range "
    "[-5,4]"
)
NATIVE = [{"type": "cannot_run", "loc": ["instances"], "msg": SENTENCE}]
PATHS = ("/predict", "/v1/models/shop:predict", "/v2/models/shop/infer")


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    publish_embedding(folder, CATEGORIES)
    return folder


@pytest.fixture(scope="module")
def server(lane: str, models: Path, start_shared_server: StartServer) -> Server:
    return start_shared_server(models_dir=str(models), express=lane)


def body_of(path: str, category: int) -> dict[str, Any]:
    if path.startswith("/v2"):
        return {"inputs": [{"name": "features", "shape": [1, 1], "datatype": "INT64", "data": [category]}]}
    return {"instances": [[category]]}


def together(server: Server, path: str, categories: Sequence[int]) -> list[tuple[int, str]]:
    """Return status and body of the answers to requests that are sent at the same moment."""
    return post_together(server.port, path, [body_of(path, category) for category in categories])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("bad", [OUT_OF_TABLE, NOT_FINITE])
def test_the_neighbours_of_a_bad_row_get_the_answer_that_they_get_alone(server: Server, path: str, bad: int) -> None:
    alone = {category: together(server, path, [category])[0] for category in range(CATEGORIES + 1)}
    categories = [bad if client % 10 == 3 else 1 + client % 4 for client in range(CLIENTS)]

    for _ in range(5):
        assert together(server, path, categories) == [alone[category] for category in categories]
    assert {status for category, (status, _) in alone.items() if category not in {OUT_OF_TABLE, NOT_FINITE}} == {200}
    assert alone[bad][0] == (422 if path == "/predict" else 400)


def test_each_protocol_says_it_in_its_own_form_and_the_log_in_one_line(
    lane: str, models: Path, start_server: StartServer
) -> None:
    server = start_server(models_dir=str(models), express=lane)
    answers = [httpx.post(server.url + path, json=body_of(path, OUT_OF_TABLE)) for path in PATHS for _ in range(3)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        *[(422, {"detail": NATIVE})] * 3,
        *[(400, {"error": SENTENCE})] * 6,
    ]
    assert metric(server.url, "softmaxd_rejections_total", reason="cannot_run") == 9
    stats = httpx.get(server.url + "/v2/models/shop/stats").json()["model_stats"][0]["inference_stats"]
    assert (stats["fail"]["count"], stats["success"]["count"]) == (9, 0)
    assert server.stop() == 0
    warnings = [line for line in server.messages() if line["level"] != "INFO"]
    assert [(line["message"], "exc_info" in line) for line in warnings] == [(f"shop version 1: {SENTENCE}", False)]


def test_a_model_whose_outputs_are_never_finite_is_rejected(start_server: StartServer, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["product"]),
        helper.make_node("Sqrt", ["below zero"], ["nan"]),
        helper.make_node("Add", ["product", "nan"], ["logits"]),
    ]
    constants = {"weights": np.ones((2, 3), np.float32), "below zero": np.array([-1], np.float32)}
    publish_embedding(tmp_path, CATEGORIES)
    publish(tmp_path, 1, classifier(nodes, constants).SerializeToString(), name="nan")
    server = start_server(models_dir=str(tmp_path))

    [rejected] = [line["message"] for line in server.messages() if line["level"] == "ERROR"]

    assert rejected == "rejected nan version 1: its outputs are not finite for any of the rows that were tried"
    assert httpx.get(server.url + "/readyz").status_code == 200
    assert httpx.post(server.url + "/models/nan/predict", json={"instances": [[1, 2]]}).status_code == 404
