"""Behind HAProxy no request fails while replicas, workers, versions and pins change, at 70 % of the possible load.

`make no-gap` runs the long form, in which at least 100,000 requests are answered and 20 workers killed.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from softmaxd.cli.main import main
from tests.support.edge import HOSTS, Edge, free_port
from tests.support.load import Load
from tests.support.metrics import metric
from tests.support.names import Names
from tests.support.onnx_models import linear, publish
from tests.support.processes import living
from tests.support.server import Server, StartServer
from tests.support.waiting import until

ANSWERS = int(os.environ.get("NO_GAP_ANSWERS", "300"))  # before each change, and after it
WORKERS = 2  # of each replica
CHANGED = 2 if "NO_GAP_ANSWERS" in os.environ else 1  # replicas whose workers are replaced or killed
KILLS = int(os.environ.get("NO_GAP_KILLS", "1"))


class Deployment:
    """Replicas of two workers behind an edge, which share a folder of models."""

    def __init__(self, start: StartServer, folder: Path) -> None:
        self.models = folder / "models"
        publish(self.models, 1, linear().SerializeToString())
        self.port = free_port(*HOSTS)
        self.replicas: dict[str, Server] = {}
        self._start = start

    def start(self, host: str) -> None:
        settings = {"workers": str(WORKERS), "host": host, "drain_delay": "1", "reload_interval": "0.1"}
        self.replicas[host] = self._start(
            "--port", str(self.port), traced=False, models_dir=str(self.models), **settings
        )

    def stop(self, host: str) -> None:
        """Stop a replica as a supervisor does."""
        assert self.replicas.pop(host).stop() == 0

    def versions(self) -> set[str]:
        """Return the versions that answer now, in a few workers of each replica."""
        urls = [server.url for server in self.replicas.values() for _ in range(8)]
        answers = [httpx.post(f"{url}/predict", json={"instances": [[0.0, 0.0]]}) for url in urls]
        return {answer.json()["version"] for answer in answers}

    def until_answered_by(self, version: str) -> None:
        until(lambda: self.versions() == {version})


@pytest.fixture(scope="module")
def deployment(start_shared_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(start_shared_server, tmp_path_factory.mktemp("deployment"))
    for host in HOSTS[:2]:
        deployment.start(host)
    return deployment


@pytest.fixture(scope="module")
def edge(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    with Names(*HOSTS[:2]) as names, Edge(folder, names, deployment.port) as edge:
        edge.wait_for(replicas=2)
        yield edge


def say(text: str) -> None:
    print(text)  # noqa: T201 - pytest -s shows the figures


def failures_during(edge: Edge, *changes: Callable[[], object]) -> dict[str, int]:
    """Return the outcomes of requests other than 200 while the changes are made one after the other."""
    with Load(edge.port, edge.context) as load:
        load.wait_for(ANSWERS)
        for change in changes:
            change()
            load.wait_for(ANSWERS)
    assert load.answered >= ANSWERS * (1 + len(changes))
    say(f"{load.answered} answers, {load.rate:.0f} a second are possible, {load.failures or 'no failure'}")
    return load.failures


def test_no_request_fails_when_one_of_two_replicas_stops_and_starts_again(deployment: Deployment, edge: Edge) -> None:
    def start_again() -> None:
        deployment.start(HOSTS[0])
        edge.wait_for(replicas=2)

    assert failures_during(edge, lambda: deployment.stop(HOSTS[0]), start_again) == {}


def test_no_request_fails_when_all_workers_are_replaced(deployment: Deployment, edge: Edge) -> None:
    def replace(server: Server) -> None:
        old = workers_of(server)
        assert len(old) == WORKERS
        server.send_signal(signal.SIGHUP)
        until(lambda: not workers_of(server) & old and len(workers_of(server)) == WORKERS)

    servers = list(deployment.replicas.values())[:CHANGED]
    assert failures_during(edge, *(partial(replace, server) for server in servers)) == {}


def workers_of(server: Server) -> set[int]:
    """Return the process ids of the workers, which run Python's spawn, as its resource tracker does not."""
    return {pid for pid, command in living(server.process.pid).items() if "spawn_main" in command}


def kill_a_worker(server: Server) -> int:
    """Kill a worker, and wait until another one serves in its place; return the connections that it had."""
    killed = min(workers_of(server))
    os.kill(killed, signal.SIGSTOP)  # so that it begins no more
    connections = connections_of(killed)
    os.kill(killed, signal.SIGKILL)
    begin = time.monotonic()
    until(lambda: killed not in workers_of(server) and metric(server.url, "softmaxd_workers") == WORKERS)
    say(f"{connections} connections were lost; after {time.monotonic() - begin:.1f} s all workers serve again")
    return connections


def connections_of(process: int) -> int:
    """Return the number of connections that a process has accepted."""
    states = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{fields[9]}]" for fields in states if fields[3] == "01"}
    return sum(os.readlink(file) in established for file in Path(f"/proc/{process}/fd").iterdir())


def test_no_request_fails_when_workers_are_killed(deployment: Deployment, edge: Edge) -> None:
    kills = [partial(kill_a_worker, server) for server in list(deployment.replicas.values())[:CHANGED]]

    assert failures_during(edge, *kills) == {}  # HAProxy asks another one


def test_without_a_proxy_a_killed_worker_takes_no_more_than_it_had_in_flight(start_server: StartServer) -> None:
    server = start_server(traced=False, workers=str(WORKERS))
    until(lambda: metric(server.url, "softmaxd_workers") == WORKERS)
    with Load(server.port) as load:
        for _ in range(KILLS):
            failed = sum(load.failures.values())
            in_flight_at_most = kill_a_worker(server)  # one on each connection
            load.wait_for(ANSWERS)
            assert sum(load.failures.values()) - failed <= in_flight_at_most
    say(f"{load.answered} answers, {KILLS} kills, {load.failures or 'no failure'}")


def test_no_request_fails_when_a_replica_is_replaced_by_one_at_another_address(
    deployment: Deployment, edge: Edge
) -> None:
    new, old = HOSTS[2], HOSTS[1]

    def add() -> None:
        edge.names.addresses.append(new)  # at once, as Docker does
        deployment.start(new)
        edge.wait_for(replicas=3)

    def remove() -> None:
        edge.names.addresses.remove(old)
        deployment.stop(old)
        edge.wait_for(replicas=2)

    assert failures_during(edge, add, remove) == {}


def test_no_request_fails_when_a_version_comes_and_a_pin_brings_the_old_one_back(
    deployment: Deployment, edge: Edge
) -> None:
    def pin(choice: str) -> None:
        assert main(["models", "pin", "linear", choice, "--models-dir", str(deployment.models)]) == 0

    def publish_next() -> None:
        publish(deployment.models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
        deployment.until_answered_by("2")

    def roll_back() -> None:
        pin("1")
        deployment.until_answered_by("1")

    def unpin() -> None:
        pin("--unpin")
        deployment.until_answered_by("2")

    assert failures_during(edge, publish_next, roll_back, unpin) == {}
