"""The states and the descriptions of models over `/v1`, as clients of TensorFlow Serving and KServe ask for them."""

from pathlib import Path

import httpx
import pytest

from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS
from tests.support.server import StartServer
from tests.support.v1 import error_of


def test_the_root_says_alive_as_kserve_wants_it(client: httpx.Client) -> None:
    assert client.get("/").json()["status"] == "alive"


def test_lists_each_model_once(client: httpx.Client) -> None:
    names = sorted({path.parent.parent.name for path in MODELS.glob("*/*/manifest.json")})

    assert client.get("/v1/models").json() == {"models": names}


def test_one_object_tells_the_state_to_both_clients(client: httpx.Client) -> None:
    versions = sorted((int(path.parent.name) for path in MODELS.glob("blobs/*/manifest.json")), reverse=True)

    response = client.get("/v1/models/blobs")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "name": "blobs",
        "ready": True,
        "model_version_status": [
            {"version": str(version), "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            for version in versions
        ],
    }


def test_tells_the_state_of_one_version(client: httpx.Client, version: str) -> None:
    assert client.get(f"/v1/models/blobs/versions/{version}").json() == {
        "name": "blobs",
        "ready": True,
        "model_version_status": [
            {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
    }


@pytest.mark.parametrize("path", ["/v1/models/blobs/metadata", "/v1/models/blobs/versions/{}/metadata"])
def test_describes_its_signatures_as_a_saved_model_does(client: httpx.Client, version: str, path: str) -> None:
    features = {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
        "name": "features:0",
    }
    four = {"dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}], "unknown_rank": False}

    assert client.get(path.format(version)).json() == {
        "model_spec": {"name": "blobs", "signature_name": "", "version": version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {"features": features},
                        "outputs": {
                            "probabilities": {"dtype": "DT_FLOAT", "tensor_shape": four, "name": "probabilities:0"}
                        },
                        "method_name": "tensorflow/serving/predict",
                    },
                    "logits": {
                        "inputs": {"features": features},
                        "outputs": {"logits": {"dtype": "DT_FLOAT", "tensor_shape": four, "name": "logits:0"}},
                        "method_name": "tensorflow/serving/predict",
                    },
                }
            }
        },
    }


def test_tells_the_state_of_each_of_several_versions(start_server: StartServer, tmp_path: Path) -> None:
    for name, version in (("linear", 2), ("linear", 10), ("other", 1)):
        publish(tmp_path, version, linear().SerializeToString(), name=name)
    publish(tmp_path, 11, linear().SerializeToString(), digest="0" * 64)
    url = start_server(models_dir=str(tmp_path)).url + "/v1/models"

    def versions(path: str) -> list[tuple[str, str, str]]:
        statuses = httpx.get(url + path).json()["model_version_status"]
        return [(each["version"], each["state"], each["status"]["error_code"]) for each in statuses]

    rejected = httpx.get(url + "/linear").json()["model_version_status"][0]["status"]["error_message"]
    assert httpx.get(url).json() == {"models": ["linear", "other"]}
    assert versions("/linear") == [
        ("11", "END", "INVALID_ARGUMENT"),
        ("10", "AVAILABLE", "OK"),
        ("2", "AVAILABLE", "OK"),
    ]
    assert versions("/linear/versions/2") == [("2", "AVAILABLE", "OK")]
    assert versions("/other") == [("1", "AVAILABLE", "OK")]
    assert "does not match its manifest" in rejected
    assert error_of(httpx.get(url + "/linear/versions/11")) == (503, f"Version 11 is rejected: {rejected}")
    assert httpx.get(url + "/linear/metadata").json()["model_spec"]["version"] == "10"
    assert httpx.get(url + "/linear/versions/2/metadata").json()["model_spec"]["version"] == "2"
