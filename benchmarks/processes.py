"""Starts programs pinned to cores, and ends them with everything that they started."""

import os
import re
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "BENCHMARK_RUN"  # environment variable by which a started process and its descendants are known
GRACE_SECONDS = 6.0
POLL_SECONDS = 0.02

ROOT = Path(__file__).resolve().parent.parent

QUIET = {
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PYTHONDONTWRITEBYTECODE": "",  # byte code is kept, as in any installation
}


@dataclass(frozen=True, slots=True)
class Program:
    """A started program: its process, its log, and the mark of its family."""

    process: subprocess.Popen[bytes]
    log: Path
    mark: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def last_words(self) -> str:
        """Return the last line of the log that says something, without folders of this machine."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "nothing")
        return re.sub(r"/[\w.@+-]+(/[\w.@+-]+)+", "…", last)[:300]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of the service, with telemetry off everywhere."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("SOFTMAXD_")}
    return {**kept, **QUIET, **extra}


@contextmanager
def running(
    command: list[str], extra: Mapping[str, str], *, cores: str, folder: Path | None = None
) -> Iterator[Program]:
    """Run a command in a session of its own, pinned to `cores`, and end all of it on the way out."""
    mark = secrets.token_hex(8)
    with tempfile.NamedTemporaryFile(prefix="bench-", suffix=".log") as log:
        process = subprocess.Popen(
            ["taskset", "-c", cores, *command],
            env=environment({**extra, MARK: mark}),
            cwd=folder or ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Program(process, Path(log.name), mark)
        finally:
            _end(process, mark)


def family(leader: int, mark: str) -> set[int]:
    """Return the living processes that came from a program.

    By session, by the mark in the environment (some programs leave the session) and by descent (some overwrite
    their environment with a title).
    """
    parents: dict[int, int] = {}
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (status := _read_status(entry)):
            pid, (parent, session) = int(entry.name), status
            parents[pid] = parent
            if session == leader or _is_marked(entry, mark):
                found.add(pid)
    while children := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= children
    return found


def cores_of(program: Program) -> set[int]:
    """Return the cores that any thread of a program's family may run on."""
    cores: set[int] = set()
    for pid in family(program.pid, program.mark):
        for thread in _threads(pid):
            with suppress(ProcessLookupError):  # it ended by itself meanwhile
                cores |= os.sched_getaffinity(thread)
    return cores


def memory_bytes(pid: int) -> int:
    """Return the resident memory of one process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def processor_seconds(pids: Iterable[int]) -> float:
    """Return the processor time, of user and system, that living processes have taken so far; the step is 10 ms."""
    return sum(_ticks(pid) for pid in pids) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])  # utime and stime: proc_pid_stat(5)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Ask the leader to end its family, then ask the remaining processes, then kill them."""
    remaining = family(process.pid, mark)
    if process.poll() is None:
        _signal({process.pid}, signal.SIGTERM)
        remaining = _wait_for(process, mark, remaining)
    _signal(remaining, signal.SIGTERM)
    remaining = _wait_for(process, mark, remaining)
    _signal(remaining, signal.SIGKILL)
    process.wait()


def _wait_for(process: subprocess.Popen[bytes], mark: str, family_before: set[int]) -> set[int]:
    """Return who is left when the grace is over, also of those whose parents have gone."""
    end_by = time.monotonic() + GRACE_SECONDS
    remaining = family_before
    while remaining and time.monotonic() < end_by:
        time.sleep(POLL_SECONDS)
        process.poll()
        remaining = family(process.pid, mark) | {pid for pid in remaining if _is_alive(pid)}
    return remaining


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _threads(pid: int) -> list[int]:
    try:
        return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    return _read_status(Path(f"/proc/{pid}")) is not None


def _read_status(entry: Path) -> tuple[int, int] | None:
    """Return (parent, session) of a process, or None when it is gone or a zombie."""
    try:
        state, parent, _group, session = (entry / "stat").read_text().rpartition(") ")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else (int(parent), int(session))


def _is_marked(entry: Path, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in (entry / "environ").read_bytes()
    except OSError:
        return False
