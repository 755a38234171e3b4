"""Several workers on one port: all of them serve, one that dies is replaced, and their counts add up."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.server import SHARED_MEMORY
from tests.conftest import Server, StartServer, softmaxd
from tests.onnx_models import linear, publish

BODY = {"instances": [[15.2, 0.3]]}


def workers_of(server: Server) -> set[int]:
    """Return the process ids of the workers: the children that run Python's spawn, but not its resource tracker."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return {int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}


def ask(server: Server) -> int:
    """Send one request on a connection of its own, to whichever worker takes it."""
    return httpx.post(server.url + "/predict", json=BODY).status_code


def answered(server: Server) -> int:
    """Return how many predictions all workers together have answered."""
    families = text_string_to_metric_families(httpx.get(server.url + "/metrics").text)
    return sum(
        int(sample.value)
        for family in families
        for sample in family.samples
        if sample.name == "softmaxd_requests_total" and sample.labels["operation"] == "/predict"
    )


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        with contextlib.suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.03)
    raise AssertionError("it did not come true in half a minute")


@pytest.fixture
def server(start_server: StartServer) -> Server:
    server = start_server("--workers", "2")
    until(lambda: httpx.get(server.url + "/readyz").status_code == 200)
    return server


def test_each_worker_serves_and_the_counts_of_all_add_up(server: Server) -> None:
    for _ in range(100):
        assert ask(server) == 200

    until(lambda: answered(server) == 100)


def test_a_killed_worker_is_replaced_while_the_others_go_on(server: Server) -> None:
    until(lambda: len(workers_of(server)) == 2)
    before = workers_of(server)
    for _ in range(50):
        ask(server)
    until(lambda: answered(server) == 50)

    killed = before.pop()
    os.kill(killed, signal.SIGKILL)
    statuses = set()
    while len(workers_of(server) - {killed}) < 2:
        with contextlib.suppress(httpx.TransportError):  # a connection that the killed one had taken
            statuses.add(ask(server))

    assert statuses <= {200}
    assert before < workers_of(server)
    assert answered(server) >= 50


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_with_0(server: Server, number: signal.Signals) -> None:
    until(lambda: len(workers_of(server)) == 2)
    workers = workers_of(server)
    assert list(SHARED_MEMORY.glob(f"softmaxd-{server.process.pid}-*"))
    if number == signal.SIGINT:  # a terminal sends it to all of them
        for worker in workers:
            os.kill(worker, number)

    server.send_signal(number)

    assert server.wait() == 0
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    assert server.messages()[-1]["message"] == "stopped"
    assert list(SHARED_MEMORY.glob(f"softmaxd-{server.process.pid}-*")) == []


def test_workers_end_when_their_supervisor_is_killed(server: Server) -> None:
    until(lambda: len(workers_of(server)) == 2)
    workers = workers_of(server)

    server.process.kill()

    until(lambda: not [worker for worker in workers if Path(f"/proc/{worker}").exists()])


def test_a_broken_model_is_told_once(tmp_path: Path) -> None:
    publish(tmp_path, 1, b"broken")

    code, _, error = softmaxd("serve", "--workers", "2", models_dir=str(tmp_path), port="0")

    assert code == 1
    assert [line for line in error.splitlines() if line.startswith("softmaxd: ")] == [
        f"softmaxd: {tmp_path}/linear/1: model.onnx is not an ONNX file, or not all of it"
    ]


def test_a_worker_that_cannot_start_stops_all_with_1(start_server: StartServer, tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())
    server = start_server("--workers", "2", models_dir=str(tmp_path))
    until(lambda: httpx.get(server.url + "/readyz").status_code == 200)
    (folder / "model.onnx").unlink()
    (killed, *_) = workers_of(server)

    os.kill(killed, signal.SIGKILL)  # the one that replaces it finds no model

    assert server.wait() == 1
    assert "No such file or directory: model.onnx" in "".join(server.lines)
    assert server.lines[-1] == "softmaxd: a worker could not start; its log line says why\n"
