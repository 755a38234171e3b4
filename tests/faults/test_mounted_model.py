"""The models folder is a mount with one model or one version, as KServe's storage initializer leaves `/mnt/models`."""

import shutil
from pathlib import Path

import httpx
import pytest

from tests.support.onnx_models import linear, publish
from tests.support.server import StartServer
from tests.support.waiting import until

ROWS = {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [0.25, -0.5]}]}


@pytest.mark.parametrize("place", [".", "linear", "linear/1"])
def test_whatever_a_storage_uri_names_is_served_and_followed(
    tmp_path: Path, start_server: StartServer, place: str
) -> None:
    publish(tmp_path / "bucket", 1, linear().SerializeToString())
    (tmp_path / "bucket" / "linear" / "1" / "card.md").write_text("# The card")
    mount = tmp_path / "mnt" / "models"
    shutil.copytree(tmp_path / "bucket" / place, mount)

    server = start_server(models_dir=str(mount), reload_interval="0.05")

    with httpx.Client(base_url=server.url) as client:
        assert client.get("/v2/models/linear/ready").status_code == 200
        answer = client.post("/v2/models/linear/infer", json=ROWS).json()
        assert (answer["model_name"], answer["model_version"]) == ("linear", "1")
        assert client.get("/models/linear/versions/1/card").text == "# The card"
        if place != "linear/1":  # which has no room for another version
            new = publish(tmp_path / "bucket", 2, linear().SerializeToString())
            new.rename(mount / Path("linear/2").relative_to(place))
            until(lambda: client.get("/models/linear").json()["version"] == "2")
