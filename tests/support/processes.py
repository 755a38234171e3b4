"""Starts processes that end with the test run at the latest, also if the run is killed."""

import atexit
import contextlib
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

WATCHER = Path(__file__).with_name("watcher.py")
TRACING = "COVERAGE_PROCESS_CONFIG"  # the variable that lets coverage trace a process

Command = Sequence[str | Path]


def untraced() -> dict[str, str]:
    """Return the environment in which coverage traces no process that is started; tracing doubles the time of some."""
    return {name: value for name, value in os.environ.items() if name != TRACING}


def start(
    command: Command, *, cwd: Path, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, with its standard error in a pipe.

    A terminal does the same, and sends Ctrl-C to the whole group. Call `forget` when the command has ended.
    """
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True, process_group=0
    )
    watch(process.pid)
    return process


class Process(Protocol):
    """A started command."""

    @property
    def pid(self) -> int: ...


def watch(group: int) -> None:
    """Put a process group on the watcher's list, or take it off again."""
    pipe = _watcher()
    pipe.write(f"{group}\n")
    pipe.flush()


def forget(process: Process) -> None:
    """Take a command that has ended off the watcher's list."""
    watch(process.pid)


def run(
    command: Command, *, cwd: Path, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, or kill it and all that it has started when the time is over."""
    process = start(command, cwd=cwd, env=env, stdout=subprocess.PIPE)
    try:
        output, error = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    finally:
        forget(process)
    return subprocess.CompletedProcess(process.args, process.returncode, output, error)


def living(group: int) -> dict[int, str]:
    """Return the command lines of the living processes of a group, by process id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if state != "Z" and int(its_group) == group:
                found[int(folder.name)] = (folder / "cmdline").read_text()
    return found


@functools.cache
def _watcher() -> IO[str]:
    """Start the watcher, and return the pipe to it. It has a session of its own, so no Ctrl-C reaches it."""
    command = [sys.executable, "-I", "-S", str(WATCHER)]  # without site-packages, which measure coverage
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, start_new_session=True)
    assert watcher.stdin is not None
    atexit.register(watcher.communicate)  # closes the pipe
    return watcher.stdin
