"""The image and docker-compose.yml, under names that only this run of the tests uses."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.paths import REPOSITORY

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

    The paths in docker-compose.yml, which are relative, begin at `root`. With `environment`, a bare `docker
    compose` means this project.
    """

    def __init__(self, project: str, override: Path, *changes: str, root: Path = REPOSITORY) -> None:
        lines = [f"image: {NAME}", *changes]
        override.write_text("services:\n  softmaxd:\n" + "".join(f"    {line}\n" for line in lines))
        names = ["--project-name", project, "--project-directory", str(root)]
        files = [REPOSITORY / "docker-compose.yml", override]
        self._command = ["compose", *names, *(part for file in files for part in ("--file", str(file)))]
        self.environment = {"COMPOSE_PROJECT_NAME": project, "COMPOSE_FILE": ":".join(map(str, files))}

    def compose(self, *arguments: str) -> str:
        return docker(*self._command, *arguments)

    def up(self, *options: str) -> None:
        """Start the service unless it runs, and wait until its health check passes."""
        result = attempt(*self._command, "up", "--wait", *options)
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


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
