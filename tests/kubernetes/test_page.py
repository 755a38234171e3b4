"""docs/kubernetes.md: its example and its commands do what it says, as far as that needs no cluster."""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.kubernetes.manifests import COMPONENTS, FOLDER, of_kind, pods, render, render_text
from tests.support.kubernetes.schemas import VERSIONS, Object, check
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "kubernetes.md").read_text()


def block(language: str, word: str) -> str:
    """Return the one block in this language that has a word."""
    (found,) = (text for text in re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S) if word in text)
    assert isinstance(found, str)
    return found


def run(commands: str, folder: Path) -> str:
    """Run commands with kubectl, of which `apply` only prints its objects."""
    stub = 'kubectl() { case " $* " in *" apply "*) cat ;; *) command kubectl "$@" ;; esac; }\n'
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-ec", stub + commands],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_the_overlay_lets_the_ingress_in_and_gives_more_memory(tmp_path: Path) -> None:
    objects = render_text(block("yaml", "../production"), tmp_path)

    (network,) = of_kind(objects, "NetworkPolicy")
    (deployment,) = of_kind(objects, "Deployment")
    *_, prometheus, ingress = network["spec"]["ingress"][0]["from"]
    for source, name in ((prometheus, "monitoring"), (ingress, "ingress-nginx")):
        assert source == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    assert deployment["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "2", "memory": "1Gi"},
    }
    for each in objects:
        assert check(each)


def test_the_overlay_of_kserve_has_the_registry_the_namespace_and_the_models(tmp_path: Path) -> None:
    objects = render_text(block("yaml", "../kserve"), tmp_path)

    (runtime,) = of_kind(objects, "ServingRuntime")
    (service,) = of_kind(objects, "InferenceService")
    assert runtime["spec"]["containers"][0]["image"].startswith("registry.example.com/softmaxd:")
    assert service["spec"]["predictor"]["model"]["storageUri"] == "s3://your-bucket/blobs/"
    assert {each["metadata"]["namespace"] for each in objects} == {"models"}
    for each in objects:
        assert check(each) == ["kserve"]


def render_production(folder: Path, change: Callable[[Any], None]) -> list[Object]:
    """Return the objects of a copy of `production` in which something is changed."""
    own = shutil.copytree(FOLDER, folder / "kubernetes") / "production" / "kustomization.yaml"
    whole = yaml.safe_load(own.read_text())
    change(whole)
    own.write_text(yaml.safe_dump(whole))
    return render(own.parent)


@pytest.mark.parametrize("name", sorted({*COMPONENTS} - {"keys", "service-monitor"}))
def test_a_component_in_the_list_of_production_has_its_registry_and_namespace(tmp_path: Path, name: str) -> None:
    objects = render_production(tmp_path, lambda whole: whole["components"].append(f"../components/{name}"))

    images = {each["image"] for pod in pods(objects) for each in pod.containers}
    assert {image.rpartition(":")[0] for image in images} == {"registry.example.com/softmaxd"}
    namespaces = {each["metadata"].get("namespace") for each in objects if each["kind"] != "Namespace"}
    assert namespaces == {"softmaxd"}
    for each in objects:
        assert check(each)


def test_production_goes_without_the_prometheus_operator(tmp_path: Path) -> None:
    def change(whole: Any) -> None:
        whole["components"].remove("../components/service-monitor")
        del whole["patches"]

    kinds = [each["kind"] for each in render_production(tmp_path, change)]

    assert "Deployment" in kinds
    assert "ServiceMonitor" not in kinds


def test_a_version_gets_its_place_on_the_volume_once(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "model.onnx").write_text("new")
    blobs = tmp_path / "models" / "blobs"
    (blobs / ".incoming" / "2").mkdir(parents=True)  # of a copy that broke off
    commands = block("sh", ".incoming").replace("/mnt/volume", str(tmp_path)).replace("models/blobs/2 ", "source ")
    pod = (
        'kubectl() { shift 2; case $1 in get) echo pod/x ;; exec) shift 3; "$@" ;; '
        'cp) if [ -d "${3#x:}" ]; then set -- "$1" "$2" "$3/2"; fi; cp -r "$2" "${3#x:}" ;; esac; }\n'
    )

    for _ in range(2):
        subprocess.run(["bash", "-c", pod + commands], cwd=tmp_path, check=False, timeout=60, capture_output=True)

    assert sorted(str(path.relative_to(blobs)) for path in blobs.rglob("*")) == [
        ".incoming",
        ".incoming/model.onnx",
        "2",
        "2/model.onnx",
    ]


def test_the_rules_are_an_object_of_prometheus_operator() -> None:
    rule = yaml.safe_load(run(block("sh", "PrometheusRule"), REPOSITORY))

    assert check(rule) == ["prometheus-operator"]
    assert rule["spec"] == yaml.safe_load((REPOSITORY / "deploy" / "prometheus" / "softmaxd.rules.yml").read_text())


def test_the_secret_of_keys_is_made_of_their_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("0" * 64 + "\n")

    secret = yaml.safe_load(run(block("sh", "--dry-run"), tmp_path))

    assert check(secret) == VERSIONS
    assert base64.b64decode(secret["data"]["keys"]).decode() == "0" * 64 + "\n"


def test_the_page_names_each_component_and_the_versions_that_are_checked() -> None:
    for path in (FOLDER / "components").iterdir():
        assert f"`components/{path.name}`" in PAGE
    *first, last = [version.removesuffix(".0") for version in VERSIONS]
    assert f"for the newest three versions: {', '.join(first)} and {last}" in PAGE
