"""The forms for Compose and Kubernetes of docs/delivery.md say the same as the command and the settings."""

import re
from typing import Any

import pytest
import yaml

from softmaxd.cli.main import parser
from softmaxd.delivery.archive import checksum
from softmaxd.settings import ENV_PREFIX, Settings
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "delivery.md").read_text()
COMPONENT = yaml.safe_load(
    (REPOSITORY / "deploy" / "kubernetes" / "components" / "models-pull" / "kustomization.yaml").read_text()
)
COMPOSE = yaml.safe_load(re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0])["services"]
POD = yaml.safe_load(COMPONENT["patches"][0]["patch"])["spec"]["template"]["spec"]
(FOLLOW,) = re.findall(r"`(\[models, pull, .*?\])`", PAGE)
IN_COMPOSE = [COMPOSE["pull"]["command"], yaml.safe_load(FOLLOW)]
IN_KUBERNETES = [container["args"] for container in POD["initContainers"]]


@pytest.mark.parametrize("command", [*IN_COMPOSE, *IN_KUBERNETES], ids=" ".join)
def test_each_command_pulls(command: list[str]) -> None:
    options = vars(parser().parse_args(command))

    assert options["run"].__name__ == "pull"
    assert options["wanted"][0].name == "blobs"


def test_the_service_reads_the_folder_that_is_pulled_into() -> None:
    name = f"{ENV_PREFIX}MODELS_DIR"

    def folders(commands: list[list[str]]) -> set[str]:
        return {command[command.index("--models-dir") + 1] for command in commands}

    assert "models_dir" in Settings.model_fields
    assert folders(IN_COMPOSE) == {COMPOSE["softmaxd"]["environment"][name]}
    assert [f"{name}={folder}" for folder in folders(IN_KUBERNETES)] == COMPONENT["configMapGenerator"][0]["literals"]


def test_only_those_that_pull_may_write() -> None:
    def mount(container: Any) -> Any:
        (mount,) = container["volumeMounts"]
        return mount

    assert [COMPOSE[name]["volumes"] for name in ("pull", "softmaxd")] == [
        ["pulled:/srv/pulled"],
        ["pulled:/srv/pulled:ro"],
    ]
    mounts = [mount(container) for container in (*POD["initContainers"], *POD["containers"])]
    assert [each.get("readOnly", False) for each in mounts] == [False, False, True]
    assert {each["name"] for each in mounts} == {volume["name"] for volume in POD["volumes"]}


def test_the_checksum_is_that_of_the_committed_version() -> None:
    found = set(re.findall(r"\b[0-9a-f]{64}\b", PAGE))

    assert found == {checksum(REPOSITORY / "models" / "blobs" / "1", ("blobs", 1))}
