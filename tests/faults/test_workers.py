"""Several workers on one port: all of them serve, one that dies is replaced, and their counts add up."""

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from softmaxd.models.manifest import MODEL_FILE
from softmaxd.shared_folder import SHARED_MEMORY
from tests.support.command import softmaxd
from tests.support.metrics import metric
from tests.support.onnx_models import linear, publish
from tests.support.processes import living
from tests.support.server import Server, StartServer
from tests.support.sockets import connect, receive
from tests.support.waiting import SECONDS, until

BODY = b'{"instances": [[15.2, 0.3]]}'
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """Return a service with two workers, both of which serve."""
    server = start_server("--workers", "2")
    until(lambda: len(files_of(server)) == 2)
    return server


def workers_of(server: Server) -> set[int]:
    """Return the process ids of the workers, which run Python's spawn, as its resource tracker does not."""
    return {pid for pid, command in living(server.process.pid).items() if "spawn_main" in command}


def folder_of(server: Server) -> Path:
    """Return the folder that its workers share."""
    return next(SHARED_MEMORY.glob(f"softmaxd-{server.process.pid}-*"))


def files_of(server: Server) -> list[Path]:
    """Return the files in which its workers keep their numbers; each has one once it serves."""
    files = [folder_of(server) / str(pid) for pid in workers_of(server)]
    return [file for file in files if file.exists()]


def connections_of(server: Server) -> list[int]:
    """Return how many connections each worker has, in order."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
    established = {row[9] for row in rows if row[3] == "01" and row[1].endswith(f":{server.port:04X}")}
    return sorted(len(established & sockets_of(pid)) for pid in workers_of(server))


def sockets_of(pid: int) -> set[str]:
    """Return the numbers of the sockets that a process has open, as /proc/net/tcp has them."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # it was closed
            found.update(re.findall(r"^socket:\[(\d+)\]$", os.readlink(descriptor)))
    return found


def wait_for_a_save(file: Path) -> None:
    saved = file.stat().st_mtime_ns
    until(lambda: file.stat().st_mtime_ns != saved)


def count(server: Server, message: str) -> int:
    """Return the number of log lines with a message."""
    return sum(message in line for line in server.lines)


def has_said(server: Server, message: str) -> bool:
    return any(message in line for line in server.lines)


def ask(server: Server) -> int:
    """Ask for a prediction on a connection of its own, for which any of the workers may be taken."""
    return httpx.post(server.url + "/predict", content=BODY, timeout=SECONDS).status_code


def answered(server: Server) -> float:
    """Return how many predictions all workers together have answered."""
    return metric(server.url, "softmaxd_requests_total", operation="/predict", status="200")


def counters(server: Server) -> dict[tuple[str, ...], float]:
    """Return every value that may never decrease, by name and labels."""
    families = text_string_to_metric_families(httpx.get(server.url + "/metrics", timeout=SECONDS).text)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if family.type in {"counter", "histogram"}
    }


@contextlib.contextmanager
def stopped(worker: int) -> Iterator[None]:
    """Let a worker do nothing, so that all requests are for the other."""
    os.kill(worker, signal.SIGSTOP)
    yield
    os.kill(worker, signal.SIGCONT)


def test_each_worker_serves_and_the_counts_of_all_add_up(server: Server) -> None:
    one, other = workers_of(server)
    with stopped(one):
        assert [ask(server) for _ in range(3)] == [200] * 3
    with stopped(other):
        assert [ask(server) for _ in range(4)] == [200] * 4

    until(lambda: answered(server) == 7)
    assert metric(server.url, "softmaxd_batch_rows_sum") == 7
    assert metric(server.url, "softmaxd_model_info", model="blobs", version="2") == 1


def test_a_killed_worker_is_replaced_while_the_other_goes_on_and_no_count_goes_back(server: Server) -> None:
    killed, survivor = workers_of(server)
    with stopped(survivor):
        assert [ask(server) for _ in range(5)] == [200] * 5
    until(lambda: answered(server) == 5)
    with stopped(killed):  # so it is the other one that has these numbers, from the file
        assert answered(server) == 5

    before = counters(server)
    assert metric(server.url, "softmaxd_workers") == 2
    started = metric(server.url, "process_start_time_seconds")
    memory = metric(server.url, "process_resident_memory_bytes")

    with stopped(server.process.pid):  # so the worker is not replaced, nor even known to have ended
        os.kill(killed, signal.SIGKILL)
        until(lambda: metric(server.url, "softmaxd_workers") == 1)
        assert metric(server.url, "process_resident_memory_bytes") < 0.7 * memory
        assert metric(server.url, "process_start_time_seconds") == started
        after = counters(server)
        assert {key: value for key, value in before.items() if after.get(key, -1) < value} == {}
    until(lambda: killed not in workers_of(server))
    counts, seconds = [], []

    def is_replaced() -> bool:
        assert ask(server) == 200
        counts.append(answered(server))
        seconds.append(metric(server.url, "process_cpu_seconds_total"))
        return len(files_of(server)) == 2

    until(is_replaced)

    assert counts[0] >= 5
    assert counts == sorted(counts)
    assert seconds == sorted(seconds)
    until(lambda: answered(server) == 5 + len(counts))
    assert metric(server.url, "softmaxd_workers") == 2
    with stopped(survivor):  # the one that replaces it knows of all, and serves
        assert ask(server) == 200
        assert answered(server) == 6 + len(counts)


def test_a_worker_that_dies_while_it_owes_its_supervisor_an_answer_is_replaced_at_once(server: Server) -> None:
    killed, survivor = workers_of(server)
    with stopped(killed):
        for _ in range(4):  # half seconds, in which the supervisor asks how it is
            wait_for_a_save(folder_of(server) / str(survivor))
        os.kill(killed, signal.SIGKILL)

    until(lambda: len(workers_of(server)) == 2 and killed not in workers_of(server))


def test_a_killed_worker_is_replaced_while_another_does_not_answer(server: Server) -> None:
    waited_for, killed = sorted(workers_of(server))
    with stopped(waited_for):
        for _ in range(2):  # so that the supervisor has asked it in vain
            wait_for_a_save(folder_of(server) / str(killed))
        os.kill(killed, signal.SIGKILL)

        until(lambda: len(files_of(server)) == 2 and killed not in workers_of(server))
        assert waited_for in workers_of(server)


def test_a_worker_that_starts_without_the_shared_folder_serves(server: Server) -> None:
    killed, survivor = workers_of(server)
    shutil.rmtree(folder_of(server))
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(workers_of(server)) == 2 and killed not in workers_of(server))

    with stopped(survivor):
        assert ask(server) == 200


def test_no_worker_hears_ctrl_c_not_even_as_it_starts(start_server: StartServer) -> None:
    server = start_server("--workers", "2")
    until(lambda: len(workers_of(server)) == 2)

    for worker in workers_of(server):
        blocked = re.findall(r"SigBlk:\s+(\w+)", Path(f"/proc/{worker}/status").read_text())[0]
        assert int(blocked, 16) & 1 << signal.SIGINT - 1


@pytest.mark.parametrize("to_all", [False, True], ids=["to the supervisor", "to all"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them_with_0_after_the_request_in_flight(
    server: Server, number: signal.Signals, to_all: bool
) -> None:
    folder = folder_of(server)
    with connect(server.port) as connection:
        connection.sendall(HEAD)
        receive(connection, CONTINUE)

        (os.killpg if to_all else os.kill)(server.process.pid, number)
        until(lambda: has_said(server, "Waiting for child process") and len(files_of(server)) == 1)
        wait_for_a_save(files_of(server)[0])  # so it has seen every signal
        connection.sendall(BODY)

        assert receive(connection).startswith(b"HTTP/1.1 200 OK\r\n")
    assert server.wait() == 0
    until(lambda: not living(server.process.pid))
    assert not folder.exists()
    assert {message["level"] for message in server.messages()} == {"INFO"}
    assert server.messages()[-1]["message"] == "stopped"


def test_workers_end_when_their_supervisor_is_killed(server: Server) -> None:
    folder = folder_of(server)

    server.send_signal(signal.SIGKILL)

    try:
        until(lambda: not living(server.process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)  # a service that starts now removes it, too


def test_sighup_replaces_the_workers_while_others_answer_and_loses_no_count(server: Server) -> None:
    old = workers_of(server)

    server.send_signal(signal.SIGHUP)
    statuses = []

    def are_replaced() -> bool:
        statuses.append(ask(server))
        return len(files_of(server)) == 2 and not workers_of(server) & old

    until(are_replaced)

    assert set(statuses) <= {200, 503}  # 503 from one that was just told to end: it says when to ask again
    until(lambda: answered(server) == statuses.count(200))


def test_the_evidence_of_drift_outlives_every_worker(server: Server) -> None:
    old = workers_of(server)
    odd = {"instances": [[900.0, -900.0]] * 20}
    assert metric(server.url, "softmaxd_drift_evidence", model="blobs", version="2") == 1
    for worker in old:
        with stopped(worker):  # so the other one bets
            assert httpx.post(server.url + "/predict", json=odd, timeout=SECONDS).status_code == 200
            until(lambda: metric(server.url, "softmaxd_drift_evidence") > 100)
    evidence = metric(server.url, "softmaxd_drift_evidence")

    server.send_signal(signal.SIGHUP)
    until(lambda: len(files_of(server)) == 2 and not workers_of(server) & old)

    assert metric(server.url, "softmaxd_drift_evidence") == evidence > 1_000


def test_workers_serve_on_when_they_cannot_save_their_numbers(server: Server) -> None:
    folder = folder_of(server)
    elsewhere = folder.rename(folder.with_name(f"not-{folder.name}"))
    try:
        until(lambda: has_said(server, "cannot save the metrics: No such file or directory"))

        assert ask(server) == 200
    finally:
        elsewhere.rename(folder)


@contextlib.contextmanager
def full_memory(server: Server) -> Iterator[None]:
    """Let the shared memory have no room for the numbers of the workers."""
    unfinished = [folder_of(server) / f".{worker}" for worker in workers_of(server)]

    def is_full(path: Path) -> bool:
        with contextlib.suppress(FileExistsError):  # it is full already, or the worker is writing this file
            path.symlink_to("/dev/full")
        return path.is_symlink()

    until(lambda: all(map(is_full, unfinished)))
    yield
    for path in unfinished:
        path.unlink()


def test_full_shared_memory_leaves_each_worker_its_own_numbers(server: Server) -> None:
    begin = "cannot save the metrics: No space left on device; each worker answers with its own"
    end = "the metrics of all workers are saved again"
    with full_memory(server):
        until(lambda: count(server, begin) == 2)
        assert {ask(server) for _ in range(3)} == {200}
        time.sleep(2)  # in which each worker tries four times

        assert metric(server.url, "softmaxd_metrics_complete") == 0
        statistics = httpx.get(server.url + "/v2/models/stats", timeout=SECONDS)
        assert statistics.status_code == 200
        assert statistics.json()["problem"] == "Runs in other workers may be missing: No space left on device"
        assert count(server, "cannot save the metrics") == 2

    until(lambda: count(server, end) == 2)
    assert metric(server.url, "softmaxd_metrics_complete") == 1
    until(lambda: answered(server) == 3)


def test_the_folder_of_a_killed_service_is_removed_by_the_next_start(server: Server, start_server: StartServer) -> None:
    folder = folder_of(server)
    server.send_signal(signal.SIGKILL)
    server.wait()
    until(lambda: not living(server.process.pid))

    following = start_server("--workers", "2")

    assert not folder.exists()  # unless another service that started meanwhile has removed it, this one has
    assert folder_of(following).exists()


def test_a_broken_model_is_told_once(tmp_path: Path) -> None:
    publish(tmp_path, 1, b"broken")

    settings = {"models_dir": str(tmp_path), "required_models": "linear"}
    code, _, error = softmaxd("serve", "--workers", "2", port="0", **settings)

    assert code == 1
    assert [line for line in error.splitlines() if line.startswith("softmaxd: ")] == [
        f"softmaxd: {tmp_path}/linear/1: model.onnx is not an ONNX file, or not all of it, "
        "but the model linear is required"
    ]


def test_a_worker_that_starts_while_the_models_folder_is_away_waits_for_it(
    start_server: StartServer, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    publish(models, 1, linear().SerializeToString())
    server = start_server("--workers", "2", models_dir=str(models))
    until(lambda: len(files_of(server)) == 2)
    models.rename(tmp_path / "away")

    killed, _ = workers_of(server)
    os.kill(killed, signal.SIGKILL)
    until(lambda: has_said(server, "this worker waits for it"))
    body = {"instances": [[1, 2]]}
    assert httpx.post(server.url + "/models/linear/predict", json=body, timeout=60).status_code == 200
    (tmp_path / "away").rename(models)

    until(lambda: killed not in workers_of(server) and len(files_of(server)) == 2)
    assert server.stop() == 0


def test_a_worker_that_cannot_start_stops_all_with_1(start_server: StartServer, tmp_path: Path) -> None:
    model = publish(tmp_path, 1, linear().SerializeToString()) / MODEL_FILE
    server = start_server("--workers", "2", models_dir=str(tmp_path), required_models="linear")
    until(lambda: len(files_of(server)) == 2)
    model.unlink()

    os.kill(workers_of(server).pop(), signal.SIGKILL)  # the one that replaces it finds no model

    assert server.wait() == 1
    until(lambda: not living(server.process.pid))
    assert has_said(server, f"No such file or directory: {MODEL_FILE}")
    assert server.lines[-1] == "softmaxd: a worker could not start; its log line says why\n"


def test_64_connections_are_shared_evenly(server: Server) -> None:
    def share() -> list[int]:
        with contextlib.ExitStack() as stack:
            for _ in range(64):
                stack.enter_context(connect(server.port))
            until(lambda: sum(connections_of(server)) == 64)
            return connections_of(server)

    # A worker that other programs keep from the processor gets fewer, so several tries are allowed.
    until(lambda: share()[1] <= 1.5 * share()[0])
