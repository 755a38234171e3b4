"""The models folder misbehaves: it is away, unreadable, full of odd files, or the process has no descriptors left."""

import ctypes
import os
import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.onnx_models import endless, linear, publish
from tests.support.processes import living
from tests.support.server import Server, StartServer
from tests.support.sockets import connect
from tests.support.waiting import SECONDS, until

BODY = {"instances": [[0.25, -0.5]]}
DESCRIPTORS = 128
IDLE_CONNECTIONS = 384
MNT_DETACH = 2  # of umount2(2)
LOOKS = 10  # at the folder, in which a version would be retired


@pytest.fixture
def models(tmp_path: Path) -> Path:
    publish(tmp_path / "models", 1, linear().SerializeToString())
    return tmp_path / "models"


@pytest.fixture
def server(start_server: StartServer, models: Path) -> Server:
    return start_server(models_dir=str(models), reload_interval="0.02")


def has_said(server: Server, message: str) -> bool:
    return any(message in line for line in server.lines)


def listed(client: httpx.Client) -> dict[str, object]:
    """Return the answer of `GET /models`: states by version, and the problems."""
    answer = client.get("/models").json()
    return {**{model["version"]: model["state"] for model in answer["models"]}, "problems": answer["problems"]}


@contextmanager
def asking(server: Server) -> Iterator[httpx.Client]:
    """Give a client with a connection that is open already."""
    with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        client.get("/livez")
        yield client


def test_using_up_descriptors_retires_nothing(server: Server, models: Path) -> None:
    with asking(server) as client, ExitStack() as idle:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        for _ in range(IDLE_CONNECTIONS):
            idle.enter_context(connect(server.port))

        def is_used_up() -> bool:
            idle.enter_context(connect(server.port))  # for the descriptor that a look at the folder gave back
            return has_said(server, "The models folder cannot be read: Too many open files")

        until(is_used_up)
        publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
        time.sleep(LOOKS * 0.02)

        assert client.post("/models/linear/predict", json=BODY).json()["version"] == "1"
        assert listed(client) == {"1": "ready", "problems": ["The models folder cannot be read: Too many open files"]}
        idle.close()
        until(lambda: client.post("/models/linear/predict", json=BODY).json()["version"] == "2")

    assert not has_said(server, "retired")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_that_is_moved_away_and_back_retires_nothing(
    start_server: StartServer, models: Path, workers: str
) -> None:
    server = start_server(models_dir=str(models), reload_interval="0.02", workers=workers)
    problem = "The models folder cannot be read: No such file or directory"
    loads = 1 if workers == "1" else 3  # the supervisor loads the models first
    until(lambda: sum("serving linear version 1" in line for line in server.lines) == loads)
    with asking(server) as client:
        models.rename(models.with_name("x"))
        until(lambda: listed(client) == {"1": "ready", "problems": [problem]})
        until(lambda: sum(problem in line for line in server.lines) == int(workers))
        time.sleep(LOOKS * 0.02)
        away = client.post("/models/linear/predict", json=BODY).status_code, client.get("/readyz").status_code
        models.with_name("x").rename(models)
        until(lambda: listed(client) == {"1": "ready", "problems": []})

    assert away == (200, 200)
    assert not has_said(server, "retired")
    assert sum(problem in line for line in server.lines) == int(workers)


@contextmanager
def mount_that_hangs(folder: Path) -> Iterator[None]:
    """Mount a file system in user space whose server never answers, as a network mount does without its network."""
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"there is no FUSE for this user: {error}")
    options = f"fd={server},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    try:
        if libc.mount(b"softmaxd-test", bytes(folder), b"fuse", 0, options.encode()) != 0:
            pytest.skip(f"it cannot be mounted: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        os.close(server)  # from now on every access fails at once
        libc.umount2(bytes(folder), MNT_DETACH)


def test_a_mount_that_hangs_retires_nothing_and_the_end_does_not_wait_for_it(
    start_server: StartServer, models: Path, tmp_path: Path
) -> None:
    link, new, mount = (tmp_path / name for name in ("link", "new", "mount"))
    link.symlink_to(models)
    mount.mkdir()
    new.symlink_to(mount)
    server = start_server(models_dir=str(link), reload_interval="0.02", scan_timeout="0.3")
    problem = "The models folder cannot be read: it took more than 0.3 s (scan_timeout)"
    with mount_that_hangs(mount), asking(server) as client:
        new.rename(link)
        until(lambda: listed(client) == {"1": "ready", "problems": [problem]})
        answered = client.post("/models/linear/predict", json=BODY).status_code
        card = client.get("/models/linear/versions/1/card")

        server.send_signal(signal.SIGTERM)

        assert server.wait() == 0
    assert answered == 200
    late = "The folder of this version cannot be read: it took more than 0.3 s (scan_timeout)"
    assert (card.status_code, card.json()) == (503, {"detail": late})
    assert not has_said(server, "retired")
    assert sum(problem in line for line in server.lines) == 1


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device"])
def test_a_file_that_blocks_its_reader_stops_nothing(
    server: Server, models: Path, tmp_path: Path, kind: str, file: str
) -> None:
    odd = publish(tmp_path, 2, linear().SerializeToString())
    (odd / file).unlink()
    with socket.socket(socket.AF_UNIX) as listener, httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        match kind:
            case "a named pipe":
                os.mkfifo(odd / file)
            case "a socket":
                listener.bind(str(odd / file))
            case _:
                (odd / file).symlink_to("/dev/zero")
        odd.rename(models / "linear" / "2")
        until(lambda: listed(client).get("2") == "rejected")
        reason = client.get("/models").json()["models"][1]["reason"]
        publish(models, 3, linear().SerializeToString())
        until(lambda: listed(client).get("3") == "ready")

    assert reason == f"{file} is {kind}, not a regular file"
    assert server.stop() == 0


def test_a_stop_ends_a_trial_and_does_not_wait_for_it(start_server: StartServer, models: Path) -> None:
    server = start_server(models_dir=str(models), reload_interval="0.02", trial_cpu_seconds="600", trial_timeout="600")
    publish(models, 2, endless().SerializeToString())
    until(lambda: any("softmaxd.models.trials" in command for command in living(server.process.pid).values()))

    server.send_signal(signal.SIGTERM)

    assert server.wait() == 0
    assert living(server.process.pid) == {}
    assert {line["level"] for line in server.messages()} == {"INFO"}
