"""The image, and docker-compose.yml running it, under names of this run's own."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

NAME = f"softmaxd-test-{os.getpid()}"
PORT = 8000  # on the host, in docker-compose.yml
FREE_PORT = "ports: !override ['127.0.0.1::8000']"
COMMAND_SECONDS = 600


def docker(*arguments: str) -> str:
    """Run a command of Docker and return its standard output; it must succeed."""
    result = attempt(*arguments)
    assert result.returncode == 0, f"docker {' '.join(arguments)}: {result.stderr[-5000:]}"
    return result.stdout


def attempt(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker that may fail."""
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_SECONDS)


def inspect(*arguments: str) -> dict[str, Any]:
    (found,) = json.loads(docker(*arguments))
    assert isinstance(found, dict)
    return found


class Deployment:
    """docker-compose.yml in a project of its own, its service changed by a few lines of YAML.

    The paths in docker-compose.yml, which are relative, begin at `root`.
    """

    def __init__(self, project: str, override: Path, *changes: str, root: Path = REPOSITORY) -> None:
        lines = [f"image: {NAME}", *changes]
        override.write_text("services:\n  softmaxd:\n" + "".join(f"    {line}\n" for line in lines))
        names = ["--project-name", project, "--project-directory", str(root)]
        self._command = ["compose", *names, "--file", str(REPOSITORY / "docker-compose.yml"), "--file", str(override)]

    def compose(self, *arguments: str) -> str:
        return docker(*self._command, *arguments)

    def up(self) -> None:
        """Start what is not running, and wait until its health check passes."""
        result = attempt(*self._command, "up", "--wait")
        assert result.returncode == 0, result.stderr[-5000:] + self.compose("logs", "--tail", "20")

    def down(self) -> None:
        self.compose("down", "--timeout", "1")

    @property
    def container(self) -> str:
        return self.compose("ps", "--all", "--quiet").strip()

    @property
    def url(self) -> str:
        return "http://" + self.compose("port", "softmaxd", "8000").strip()

    def inspect(self) -> dict[str, Any]:
        return inspect("inspect", self.container)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as its user and within its limits."""
        return attempt("exec", self.container, *command)

    def log(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in attempt("logs", self.container).stderr.splitlines()]


Deploy = Callable[..., Deployment]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The tag of the image, as compose builds it."""
    Deployment(NAME, tmp_path_factory.mktemp("image") / "override.yml").compose("build", "--quiet")
    yield NAME
    docker("image", "rm", NAME)


@pytest.fixture(scope="session")
def deployment(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """docker-compose.yml as it is, but for the tag of the image, and for its port when somebody else has it."""
    override = tmp_path_factory.mktemp("deployment") / "override.yml"
    deployment = Deployment(image, override, *([] if _is_free(PORT) else [FREE_PORT]))
    try:
        deployment.up()
        yield deployment
    finally:
        deployment.down()


@pytest.fixture
def deploy(image: str, tmp_path: Path) -> Iterator[Deploy]:
    """Start a deployment with changes of the test's own; it is removed after it."""
    deployments: list[Deployment] = []

    def start(*changes: str, root: Path = REPOSITORY) -> Deployment:
        deployments.append(Deployment(f"{image}-changed", tmp_path / "override.yml", *changes, root=root))
        deployments[-1].up()
        return deployments[-1]

    yield start
    for deployment in deployments:
        deployment.down()


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
