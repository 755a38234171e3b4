"""The stack of deploy/swarm on three machines, and predictions that are compared with the right ones."""

import json
import os
import re
import ssl
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.docker import docker
from tests.support.edge import UP
from tests.support.load import Load
from tests.support.machines import Machine
from tests.support.paths import REPOSITORY
from tests.support.processes import run
from tests.support.waiting import until

STACK = "softmaxd"
SERVICE, EDGE = f"{STACK}_softmaxd", f"{STACK}_edge"
PORT = 8443
BIASES = {"1": (0.0, 0.0, 0.0), "2": (1.0, 0.0, -1.0)}  # of the versions of the model `linear`
FEATURES = (0.5, 0.25)
LOGITS = (0.25, 0.3125, 0.25)  # of version 1
BODY = json.dumps({"instances": [FEATURES]}).encode()
REQUEST = b"POST /models/linear/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
SHARE = 0.3  # of the rate that is possible, because the engines need the same cores
METRICS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8405/metrics').read().decode())"
ANSWERED = re.compile(
    r'^haproxy_server_http_responses_total\{proxy="replicas",server="([^"]+)",code="2xx"\} (\d+)$', re.MULTILINE
)


def right(version: str) -> np.ndarray:
    """Return the probabilities [classes] that a version must answer."""
    exponentials = np.exp(np.add(LOGITS, BIASES[version]))
    return np.asarray(exponentials / exponentials.sum())


class Predictions(Load):
    """Asks for the same prediction all the time, and counts which version answered; a wrong answer is a failure."""

    def __init__(self, machine: Machine, context: ssl.SSLContext) -> None:
        self.versions: Counter[str] = Counter()
        super().__init__(PORT, context, REQUEST, host=machine.address, share=SHARE)

    def outcome(self, status: str, body: bytes) -> str:
        if status != "200":
            return status
        answer = json.loads(body)
        version = answer["version"]
        if version not in BIASES or not np.allclose(answer["probabilities"], [right(version)], atol=1e-6):
            return f"wrong: {body[:200]!r}"
        self.versions[version] += 1
        return status


class Stack:
    """The stack, deployed from one of the managers. `environment` is that of deploy/swarm/render."""

    def __init__(self, manager: Machine, environment: dict[str, str], file: Path) -> None:
        self.manager = manager
        self._environment, self._file = environment, file

    def deploy(self, image: str, *options: str, replicas: int, name: str = STACK, **variables: str) -> None:
        """Deploy, or update, as docs/swarm.md tells, without waiting for the end."""
        given = {"SOFTMAXD_IMAGE": image, "REPLICAS": str(replicas), "COMPOSE_PROJECT_NAME": name}
        rendered = render(*options, **{**self._environment, **given, **variables})
        assert rendered.returncode == 0, rendered.stderr
        self._file.write_text(rendered.stdout)
        self.manager.docker("stack", "deploy", "--compose-file", str(self._file), "--resolve-image", "never", name)

    def scale(self, replicas: int) -> None:
        """Change the number of replicas, and wait until all get requests."""
        self.manager.docker("service", "scale", "--detach", f"{SERVICE}={replicas}")
        self.wait_for_replicas(replicas, self.manager)

    def update_state(self, name: str = SERVICE) -> str:
        """Return how far the last update of a service is."""
        service = json.loads(self.ask("service", "inspect", name))[0]
        return str(service.get("UpdateStatus", {}).get("State", "none"))

    def wait_for_update(self, state: str) -> int:
        """Wait until the update has this state; return the smallest number of replicas that ran on the way."""
        numbers = []

        def has_state() -> bool:
            numbers.append(len(self.running_on()))
            return self.update_state() == state

        self.wait(has_state)
        return min(numbers)

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait for a change, which may take minutes; each look takes time of the cores."""
        until(condition, seconds=180, pause=0.5)

    def ask(self, *arguments: str) -> str:
        """Return the answer of the manager, which has none while the swarm elects a leader."""
        results: list[subprocess.CompletedProcess[str]] = []

        def is_answered() -> bool:
            results.append(self.manager.attempt(*arguments))
            return results[-1].returncode == 0

        self.wait(is_answered)
        return results[-1].stdout

    def tasks(self) -> list[dict[str, Any]]:
        """Return the replicas that swarm wants to run."""
        arguments = ["service", "ps", "--filter", "desired-state=running", "--format", "{{json .}}", SERVICE]
        return [json.loads(line) for line in self.ask(*arguments).splitlines()]

    def running_on(self) -> list[str]:
        """Return the machine of each replica that runs, in order."""
        return sorted(task["Node"] for task in self.tasks() if task["CurrentState"].startswith("Running"))

    def images(self) -> set[str]:
        return {task["Image"] for task in self.tasks() if task["CurrentState"].startswith("Running")}

    def edge_container(self, machine: Machine) -> str:
        """Return the id of the container of HAProxy on a machine, or nothing while it does not run."""
        return machine.docker("ps", "--quiet", "--filter", f"name={EDGE}").strip()

    def edge_metrics(self, machine: Machine) -> str:
        """Return the metrics of the HAProxy on a machine, or nothing while it does not run."""
        result = machine.attempt("exec", self.edge_container(machine), "python3", "-c", METRICS)
        return result.stdout

    def replicas_up(self, machine: Machine) -> int:
        """Return the number of replicas that the HAProxy on a machine sends requests to."""
        return len(UP.findall(self.edge_metrics(machine)))

    def answered(self, machine: Machine) -> dict[str, int]:
        """Return how many requests each replica has answered, by its name in HAProxy."""
        return {name: int(count) for name, count in ANSWERED.findall(self.edge_metrics(machine))}

    def wait_for_replicas(self, number: int, machine: Machine) -> None:
        """Wait until so many replicas run and get requests, and no more."""
        self.wait(lambda: len(self.running_on()) == len(self.tasks()) == number)
        self.wait(lambda: self.replicas_up(machine) == number)


def render(*options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run deploy/swarm/render."""
    return run(["deploy/swarm/render", *options], cwd=REPOSITORY, env={**os.environ, **variables})


def build_on(base: str, tag: str, folder: Path, *lines: str) -> None:
    """Build an image on top of another one, with the files of a folder."""
    (folder / "Dockerfile").write_text("\n".join([f"FROM {base}", *lines]))
    docker("build", "--quiet", "--tag", tag, str(folder))
