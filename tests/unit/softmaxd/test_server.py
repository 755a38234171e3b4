import os
import subprocess
import sys
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import uvicorn
from uvicorn.supervisors import multiprocess

from softmaxd.server import Exit, Worker, WorkersConfig, WorkerServer
from softmaxd.settings import Settings
from tests.support.uvicorn_names import names_of_base
from tests.support.waiting import until

ON_WINDOWS = """
import sys
sys.modules["resource"] = sys.modules["uvloop"] = None  # importing them fails, as it does there
import softmaxd.server
from softmaxd.cli.main import main
sys.platform = "win32"
sys.exit(main(["serve"]))
"""


def test_on_windows_serve_ends_in_one_line() -> None:
    ended = subprocess.run([sys.executable, "-c", ON_WINDOWS], capture_output=True, text=True, check=False)

    line = "softmaxd: softmaxd serve runs on Linux and macOS; on Windows use Docker or WSL\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", line)


ON_MACOS = """
import os, select, socket, sys
for name in ("sched_getaffinity", "memfd_create", "eventfd", "pidfd_open", "posix_fadvise", "splice", "pipe2"):
    vars(os).pop(name, None)  # macOS has none of these names
for name in ("epoll", "EPOLLIN", "EPOLLOUT"):
    vars(select).pop(name, None)
for name in ("TCP_QUICKACK", "TCP_DEFER_ACCEPT", "TCP_USER_TIMEOUT", "SO_INCOMING_CPU"):
    vars(socket).pop(name, None)
import softmaxd.server
from softmaxd.app import create_app
from softmaxd.settings import Settings
print(len(create_app(Settings(models_dir=sys.argv[1])).routes) > 10)
"""


def test_nothing_that_only_linux_has_is_needed_at_import(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ON_MACOS, str(tmp_path)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


def test_uvicorn_has_the_names_that_a_worker_uses() -> None:
    config = uvicorn.Config("", log_config=None)
    process = multiprocess.Process(config, [])

    assert names_of_base(uvicorn.Server(config), WorkerServer) == {
        "handle_exit",
        "on_tick",
        "server_state",
        "startup",
    }
    assert names_of_base(process, Worker) == {
        *("always_pong", "start", "target", "ping", "pong", "config", "child_conn", "parent_conn", "_server")
    }
    process.parent_conn.close()
    process.child_conn.close()


def test_a_worker_that_has_closed_its_pipe_has_ended(tmp_path: Path) -> None:
    worker = Worker(WorkersConfig(Settings(), tmp_path), [])
    assert worker.ping()

    worker.child_conn.close()

    assert not worker.ping()
    worker.parent_conn.close()


def test_workers_are_ending_when_their_supervisor_says_so_or_has_died(tmp_path: Path) -> None:
    config = WorkersConfig(Settings(), tmp_path)
    assert config.is_orphan()  # this process is no child of itself
    assert config.are_ending()
    config.supervisor = os.getppid()
    assert not config.are_ending()

    config.mark_ending()

    assert config.are_ending()
    assert not config.is_orphan()


def test_a_wait_for_the_exit_ends_when_a_worker_that_has_served_does() -> None:
    sentinel, worker_end = os.pipe()
    worker: Any = SimpleNamespace(process=SimpleNamespace(sentinel=sentinel), has_served=True)
    waiting = Thread(target=Exit([worker]).wait, args=[1000], daemon=True)
    waiting.start()
    assert waiting.is_alive()

    os.close(worker_end)

    until(lambda: not waiting.is_alive())
    worker.has_served = False
    assert not Exit([worker]).wait(0)
    os.close(sentinel)
