"""The forms for Compose and Kubernetes in docs/delivery.md say the same as the command and the settings."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from softmaxd.cli.main import parser
from softmaxd.settings import ENV_PREFIX, Settings
from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "delivery.md").read_text()
COMPOSE, DEPLOYMENT = (yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.S | re.M))
POD = DEPLOYMENT["spec"]["template"]["spec"]
(FOLLOW,) = re.findall(r"`(\[models, pull, .*?\])`", PAGE)
COMMANDS = [
    COMPOSE["services"]["pull"]["command"],
    yaml.safe_load(FOLLOW),
    *(container["args"] for container in POD["initContainers"]),
]


def mounts(node: Any) -> Iterator[dict[str, Any]]:
    """Give each mount of a volume below a node."""
    for container in (*node["initContainers"], *node["containers"]):
        yield from container["volumeMounts"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_is_one(command: list[str]) -> None:
    options = vars(parser().parse_args(command))

    assert options["run"].__name__ == "pull"
    assert options["wanted"][0].name == "blobs"


def test_the_service_reads_the_folder_that_is_pulled_into() -> None:
    folders = {command[command.index("--models-dir") + 1] for command in COMMANDS}
    services = [COMPOSE["services"]["softmaxd"]["environment"], *(container["env"] for container in POD["containers"])]
    named = [services[0], *({each["name"]: each["value"]} for each in services[1])]

    assert [set(each) for each in named] == [{f"{ENV_PREFIX}MODELS_DIR"}] * 2
    assert {folder for each in named for folder in each.values()} == folders
    assert "models_dir" in Settings.model_fields


def test_only_those_that_pull_may_write() -> None:
    volumes = [COMPOSE["services"][name]["volumes"] for name in ("pull", "softmaxd")]

    assert volumes == [["pulled:/srv/pulled"], ["pulled:/srv/pulled:ro"]]
    assert [mount.get("readOnly", False) for mount in mounts(POD)] == [False, False, True]
    assert {mount["name"] for mount in mounts(POD)} == {volume["name"] for volume in POD["volumes"]}
