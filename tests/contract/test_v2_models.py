"""The health and the descriptions of models over `/v2`, by HTTP, against the committed blobs classifier."""

import httpx
import pytest

from tests.support.paths import MODELS
from tests.support.v2 import INFER, Json, tensor


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/blobs/ready", {"name": "blobs", "ready": True}),
        ("/v2/models/blobs/versions/{}/ready", {"name": "blobs", "ready": True}),
    ],
)
def test_it_is_alive_and_ready(client: httpx.Client, version: str, path: str, answer: Json) -> None:
    response = client.get(path.format(version))

    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_the_extensions_that_it_has(client: httpx.Client, path: str) -> None:
    answer = client.get(path).json()

    assert {**answer, "version": ""} == {
        "name": "softmaxd",
        "version": "",
        "extensions": ["binary_tensor_data", "classification", "model_configuration", "statistics"],
    }


@pytest.mark.parametrize("path", ["/v2/models/blobs", "/v2/models/blobs/versions/{}"])
def test_a_model_is_described_by_its_tensors(client: httpx.Client, version: str, path: str) -> None:
    answer = client.get(path.format(version)).json()

    assert version in answer["versions"]
    assert {**answer, "versions": []} == {
        "name": "blobs",
        "versions": [],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]},
        ],
    }


@pytest.mark.parametrize("path", ["/v2/models/blobs/config", "/v2/models/blobs/versions/{}/config"])
def test_a_model_has_a_configuration_as_triton_gives_it(client: httpx.Client, version: str, path: str) -> None:
    assert client.get(path.format(version)).json() == {
        "name": "blobs",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"all": {}},
        "max_batch_size": 100_000,
        "input": [{"name": "features", "data_type": "TYPE_FP32", "dims": [2]}],
        "output": [
            {"name": "logits", "data_type": "TYPE_FP32", "dims": [4]},
            {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [4]},
        ],
        "dynamic_batching": {},
        "default_model_filename": "model.onnx",
    }


def test_the_models_are_listed(client: httpx.Client) -> None:
    assert "blobs" in client.get("/v2/models").json()["models"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": true}', b'{"ready": null, "other": 1}'])
def test_the_repository_lists_every_version(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v2/repository/index", content=body)

    folders = sorted((path.parent.parent.name, path.parent.name) for path in MODELS.glob("*/*/manifest.json"))
    assert response.status_code == 200
    assert response.json() == [
        {"name": name, "version": number, "state": "READY", "reason": ""} for name, number in folders
    ]


@pytest.mark.parametrize("path", ["/v2/models/stats", "/v2/models/blobs/stats", "/v2/models/blobs/versions/{}/stats"])
def test_the_statistics_count_rows_requests_and_runs(client: httpx.Client, version: str, path: str) -> None:
    def count() -> Json:
        stats: list[Json] = client.get(path.format(version)).json()["model_stats"]
        [found] = [each for each in stats if (each["name"], each["version"]) == ("blobs", version)]
        return found

    before = count()
    client.post(INFER, json={"inputs": [tensor()]})
    client.post("/predict", json={"instances": [[1, 2]]})
    client.post(INFER, json={"inputs": []})  # is refused, so nothing ran
    after = count()

    assert after["inference_count"] - before["inference_count"] == 5
    assert after["execution_count"] - before["execution_count"] == 2
    assert 0 < after["last_inference"] >= before["last_inference"]
    for name, requests in (("success", 2), ("queue", 2), ("compute_infer", 2), ("fail", 0), ("cache_hit", 0)):
        before_it, after_it = before["inference_stats"][name], after["inference_stats"][name]
        assert after_it["count"] - before_it["count"] == requests, name
    for name in ("success", "compute_infer"):
        assert after["inference_stats"][name]["ns"] > before["inference_stats"][name]["ns"]
    assert after["batch_stats"] == []
