"""Renders folders of deploy/kubernetes with kubectl, and finds pods and containers in the objects."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.kubernetes.schemas import Object
from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "kubernetes"
COMPONENTS = sorted(path.name for path in (FOLDER / "components").iterdir())


def render(folder: Path) -> list[Object]:
    """Return the objects of a folder with a kustomization."""
    kubectl = Path(sys.executable).with_name("kubectl")
    result = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""  # no warning either
    return [found for found in yaml.safe_load_all(result.stdout) if found is not None]


def render_text(text: str, folder: Path) -> list[Object]:
    """Return the objects of a kustomization that lies beside the folders `base`, `components` and so on."""
    for path in FOLDER.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "here").mkdir()
    (folder / "here" / "kustomization.yaml").write_text(text)
    return render(folder / "here")


def render_components(names: Sequence[str], folder: Path) -> list[Object]:
    """Return the objects of the base with these components."""
    whole = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(FOLDER / "base", folder)],
        "components": [os.path.relpath(FOLDER / "components" / name, folder) for name in names],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
    return render(folder)


@dataclass(frozen=True)
class Pod:
    """The pods of an object: their labels, their specification, and the environment of each container."""

    owner: str
    labels: Mapping[str, str]
    spec: Object
    maps: Mapping[str, Mapping[str, str]]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def services(self) -> list[Object]:
        """The containers that serve: those with a port."""
        return [each for each in self.containers if "ports" in each]

    def environment(self, container: Object) -> dict[str, str]:
        sources = [self.maps[each["configMapRef"]["name"]] for each in container.get("envFrom", [])]
        own = {each["name"]: each["value"] for each in container.get("env", [])}
        return {name: value for source in [*sources, own] for name, value in source.items()}


def pods(objects: Sequence[Object]) -> Iterator[Pod]:
    """Yield the pods of Deployments and of a ServingRuntime."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind(objects, "ConfigMap")}
    for each in of_kind(objects, "Deployment"):
        template = each["spec"]["template"]
        yield Pod(each["metadata"]["name"], template["metadata"]["labels"], template["spec"], maps)
    for each in of_kind(objects, "ServingRuntime"):
        yield Pod(each["metadata"]["name"], {}, each["spec"], maps)


def of_kind(objects: Sequence[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]
