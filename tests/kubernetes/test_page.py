"""docs/kubernetes.md: its example and its commands do what it says, as far as that needs no cluster."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.support.kubernetes.manifests import FOLDER, of_kind, render_text
from tests.support.kubernetes.schemas import VERSIONS, check
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
    objects = render_text(block("yaml", "kind: Kustomization"), tmp_path)

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
