"""The memory, descriptors, threads and tasks that the processes of a server hold."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.support.processes import living
from tests.support.waiting import until

FOLDER, LEAKS = "SOAK_FOLDER", "SOAK_LEAKS"  # environment variables of the server
ASK = signal.SIGRTMIN  # a signal that uvicorn's supervisor does not handle itself
PROGRAMS = ("tests.support.soaking.server", "spawn_main")  # in the command lines of a server and its workers
SAMPLES, SAMPLE_SECONDS = 12, 0.5  # longer than a connection lingers


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


def at_rest(group: int, folder: Path) -> Mapping[int, Usage]:
    """Return the least that each process holds for a while: a look at the models folder has a thread, too."""
    least: dict[int, Usage] = {}
    for _ in range(SAMPLES):
        time.sleep(SAMPLE_SECONDS)
        now = usages(group, folder)
        least = {pid: _least(least.get(pid, usage), usage) for pid, usage in now.items()}
    return least


def _least(one: Usage, other: Usage) -> Usage:
    return Usage(*map(min, astuple(one), astuple(other)))


def counts(of: Mapping[int, Usage]) -> Mapping[int, tuple[int, int, int]]:
    """Return all that must not grow at all: descriptors, threads and tasks."""
    return {pid: (each.descriptors, each.threads, each.tasks) for pid, each in of.items()}
