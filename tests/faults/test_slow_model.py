"""A model that takes its time runs beside the event loop: the service goes on answering, and rows gather."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from onnx import helper
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Server, StartServer
from tests.onnx_models import classifier, publish

SIZE = 2000  # of a square matrix that is multiplied by itself in each run: a third of a second or more
CLIENTS = 8
BODY = {"instances": [[0.5, 0.5]]}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["plain"]),
        helper.make_node("ReduceSum", ["features"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "shape"], ["large"]),
        helper.make_node("MatMul", ["large", "large"], ["product"]),
        helper.make_node("ReduceSum", ["product"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "zero"], ["nothing"]),
        helper.make_node("Add", ["plain", "nothing"], ["logits"]),
    ]
    constants = {
        "weights": np.array([[1.0, 0.5, -0.5], [-1.0, 0.25, 2.0]], dtype=np.float32),
        "bias": np.zeros(3, dtype=np.float32),
        "shape": np.array([SIZE, SIZE]),
        "zero": np.array(0.0, dtype=np.float32),
    }
    publish(tmp_path, 1, classifier(nodes, constants).SerializeToString(), name="slow")
    return tmp_path


def post(server: Server) -> httpx.Response:
    return httpx.post(server.url + "/models/slow/predict", json=BODY, timeout=60)


def sample(server: Server, name: str) -> float:
    families = text_string_to_metric_families(httpx.get(server.url + "/metrics").text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


@pytest.fixture(params=["on", "off"])
def express(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_others_are_answered_and_rows_gather_while_it_runs(
    start_server: StartServer, models: Path, express: str
) -> None:
    server = start_server(models_dir=str(models), express=express)
    stop = threading.Event()
    served_between = []

    def watch() -> None:
        with httpx.Client() as client:
            while not stop.is_set():
                client.get(server.url + "/livez")
                served_between.append(sample(server, "softmaxd_batch_rows_count"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(CLIENTS) as pool:
        responses = [future.result() for future in [pool.submit(post, server) for _ in range(4 * CLIENTS)]]
    stop.set()
    watcher.join()

    assert [response.status_code for response in responses] == [200] * 4 * CLIENTS
    assert len({response.text for response in responses}) == 1
    batches = sample(server, "softmaxd_batch_rows_count")
    assert sample(server, "softmaxd_batch_rows_sum") == 4 * CLIENTS
    assert batches < 4 * CLIENTS
    assert len(served_between) > batches  # more than one answer beside each run
    assert next(message for message in server.messages() if "serving" in str(message["message"]))["inline"] is False


def test_a_full_queue_is_429_at_once(start_server: StartServer, models: Path, express: str) -> None:
    server = start_server(models_dir=str(models), express=express, max_queued_rows="1")
    with ThreadPoolExecutor(CLIENTS) as pool:
        responses = [future.result() for future in [pool.submit(post, server) for _ in range(CLIENTS)]]

    refused = [response for response in responses if response.status_code == 429]
    assert refused
    assert {response.status_code for response in responses} == {200, 429}
    assert refused[0].headers["retry-after"] == "1"
    assert "rows are waiting" in refused[0].json()["detail"]
    assert sample(server, "softmaxd_rejections_total") == len(refused)


def test_rows_that_wait_too_long_are_504(start_server: StartServer, models: Path, express: str) -> None:
    server = start_server(models_dir=str(models), express=express, queue_timeout="0.05")
    with ThreadPoolExecutor(CLIENTS) as pool:
        responses = [future.result() for future in [pool.submit(post, server) for _ in range(CLIENTS)]]

    late = [response for response in responses if response.status_code == 504]
    assert late
    assert {response.status_code for response in responses} == {200, 504}
    assert late[0].json() == {"detail": "waited in the queue for more than 0.05 s"}
