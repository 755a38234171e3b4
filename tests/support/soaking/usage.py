"""The memory, descriptors, threads and tasks that the processes of a server hold."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import living
from tests.support.waiting import until

FOLDER, LEAKS = "SOAK_FOLDER", "SOAK_LEAKS"  # environment variables of the server
ASK = signal.SIGRTMIN  # a signal that uvicorn's supervisor does not handle itself
PROGRAMS = ("tests.support.soaking.server", "spawn_main")  # in the command lines of a server and its workers
SETTLE_SECONDS = 0.5
MOST_SAMPLES = 60


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process holds."""

    resident: int  # bytes
    descriptors: int
    threads: int
    tasks: int  # of asyncio


def usages(group: int, folder: Path) -> Mapping[int, Usage]:
    """Return what each serving process of a group holds, by its id; `folder` is the server's `SOAK_FOLDER`."""
    pids = [pid for pid, command in living(group).items() if any(program in command for program in PROGRAMS)]
    return {pid: _usage(pid, folder / str(pid)) for pid in sorted(pids)}


def _usage(pid: int, file: Path) -> Usage:
    file.unlink(missing_ok=True)
    os.kill(pid, ASK)
    until(file.exists)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return Usage(
        resident=int(status["VmRSS"].split()[0]) * 1024,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(status["Threads"]),
        tasks=int(file.read_text()),
    )


def settled(group: int, folder: Path) -> Mapping[int, Usage]:
    """Return what the processes hold once they let go of nothing more."""
    last = usages(group, folder)
    for _ in range(MOST_SAMPLES):
        time.sleep(SETTLE_SECONDS)
        now = usages(group, folder)
        if counts(now) == counts(last):
            return now
        last = now
    return last


def counts(of: Mapping[int, Usage]) -> Mapping[int, tuple[int, int, int]]:
    """Return all that must not grow at all: descriptors, threads and tasks."""
    return {pid: (each.descriptors, each.threads, each.tasks) for pid, each in of.items()}
