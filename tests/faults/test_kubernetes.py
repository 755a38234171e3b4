"""The service runs with what the manifests of deploy/kubernetes give it: settings, secrets, and models of KServe."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from softmaxd.models.folders import look
from tests.support.command import softmaxd
from tests.support.keys import FIRST, SECOND, bearer, hashed
from tests.support.onnx_models import linear, publish
from tests.support.paths import REPOSITORY
from tests.support.server import StartServer
from tests.support.waiting import until

FOLDER = REPOSITORY / "deploy" / "kubernetes"
ROWS = {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [0.25, -0.5]}]}


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def settings_of_runtime(name: str, mount: Path) -> dict[str, str]:
    """Return the settings of KServe's runtime for an InferenceService with this name, and its models in a mount."""
    (container,) = read("kserve/runtime.yaml")["spec"]["containers"]
    values = {each["name"]: each["value"].replace("{{.Name}}", name) for each in container["env"]}
    assert values.pop("SOFTMAXD_MODELS_DIR") == "/mnt/models"
    assert values.pop("SOFTMAXD_PORT") == "8080"
    short = {key.removeprefix("SOFTMAXD_").lower(): value for key, value in values.items()}
    return {**short, "models_dir": str(mount), "reload_interval": "0.05", "drain_delay": "0"}


def test_the_settings_of_the_base_start_a_service_that_its_probes_and_prometheus_reach(
    start_server: StartServer,
) -> None:
    (settings,) = read("base/kustomization.yaml")["configMapGenerator"]
    values = dict(line.removeprefix("SOFTMAXD_").split("=") for line in settings["literals"])
    (container,) = read("base/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    paths = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")]
    paths += [each["path"] for each in read("components/service-monitor/service-monitor.yaml")["spec"]["endpoints"]]

    server = start_server(**{name.lower(): value for name, value in values.items()} | {"drain_delay": "0"})

    assert {path: httpx.get(server.url + path).status_code for path in paths} == dict.fromkeys(paths, 200)


@pytest.mark.parametrize("place", [".", "linear", "linear/1"])
def test_whatever_a_storage_uri_of_kserve_names_is_served_and_followed(
    tmp_path: Path, start_server: StartServer, place: str
) -> None:
    publish(tmp_path / "bucket", 1, linear().SerializeToString())
    (tmp_path / "bucket" / "linear" / "1" / "card.md").write_text("# The card")
    mount = tmp_path / "mnt" / "models"
    shutil.copytree(tmp_path / "bucket" / place, mount)

    server = start_server(**settings_of_runtime("linear", mount))

    with httpx.Client(base_url=server.url) as client:
        assert client.get("/v2/models/linear/ready").status_code == 200
        answer = client.post("/v2/models/linear/infer", json=ROWS).json()
        assert (answer["model_name"], answer["model_version"]) == ("linear", "1")
        assert client.get("/models/linear/versions/1/card").text == "# The card"
        if place != "linear/1":  # which has no room for another version
            new = publish(tmp_path / "bucket", 2, linear().SerializeToString())
            new.rename(mount / Path("linear/2").relative_to(place))
            until(lambda: client.get("/models/linear").json()["version"] == "2")


def test_a_model_with_another_name_than_the_inference_service_does_not_start(tmp_path: Path) -> None:
    publish(tmp_path, 1, linear().SerializeToString())

    code, _, error = softmaxd("serve", **settings_of_runtime("other", tmp_path / "linear"))

    assert code == 1
    assert error.splitlines()[-1] == f"softmaxd: {tmp_path / 'linear'} has linear, but the model other is required"


def test_a_secret_is_followed_as_kubernetes_updates_its_volume(tmp_path: Path, start_server: StartServer) -> None:
    update(tmp_path, "first", hashed(FIRST))
    (tmp_path / "keys").symlink_to(Path("..data", "keys"))
    server = start_server(api_keys_file=str(tmp_path / "keys"))

    def statuses() -> list[int]:
        return [httpx.get(f"{server.url}/models", headers=bearer(key)).status_code for key in (FIRST, SECOND)]

    before = statuses()
    update(tmp_path, "second", hashed(FIRST), hashed(SECOND))
    until(lambda: statuses() == [200, 200])
    update(tmp_path, "third", hashed(SECOND))
    until(lambda: statuses() == [401, 200])

    assert before == [200, 401]


def test_the_writer_gives_an_empty_volume_the_models_of_the_image_once(tmp_path: Path) -> None:
    (container,) = read("components/models-volume/writer.yaml")["spec"]["template"]["spec"]["initContainers"]
    publish(tmp_path / "image", 1, linear().SerializeToString())
    volume = tmp_path / "volume"
    (volume / ".models" / "half").mkdir(parents=True)  # a copy that was cut off
    script = (
        container["command"][-1].replace("/mnt/volume", str(volume)).replace("/srv/models", str(tmp_path / "image"))
    )

    for version in (1, 2):
        subprocess.run([*container["command"][:-1], script], check=True, timeout=60)
        assert set(look(volume / "models").folders) == {("linear", each) for each in range(1, version + 1)}
        publish(volume / "models", version + 1, linear().SerializeToString())

    assert [path.name for path in volume.iterdir()] == ["models"]


def test_the_init_container_pulls_and_the_sidecar_goes_on(tmp_path: Path) -> None:
    (patch, _) = read("components/models-pull/kustomization.yaml")["patches"]
    pull, follow = yaml.safe_load(patch["patch"])["spec"]["template"]["spec"]["initContainers"]
    publish(tmp_path / "models", 1, linear().SerializeToString(), name="blobs")
    softmaxd("models", "push", str(tmp_path / "store"), "blobs:1", models_dir=str(tmp_path / "models"))
    real = {
        "https://models.example.com": str(tmp_path / "store"),
        "/mnt/pulled/models": str(tmp_path / "pod" / "models"),
    }

    code, printed, _ = softmaxd(*(real.get(word, word) for word in pull["args"]))

    assert (code, printed) == (0, f"published {tmp_path / 'pod' / 'models' / 'blobs' / '1'}\n")
    assert (follow["args"], follow["restartPolicy"]) == ([*pull["args"], "--watch", "30"], "Always")


def update(volume: Path, name: str, *lines: str) -> None:
    """Write a new content, and lead the link `..data` to it by a rename; the old content is removed after that."""
    (volume / name).mkdir()
    (volume / name / "keys").write_text("".join(f"{line}\n" for line in lines))
    old = (volume / "..data").resolve()
    (volume / "..data_tmp").symlink_to(name)
    (volume / "..data_tmp").rename(volume / "..data")
    if old.name != "..data":
        shutil.rmtree(old)
