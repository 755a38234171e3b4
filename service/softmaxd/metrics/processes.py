"""The processes of the workers, as the system sees them: whether they live, their memory, files and time.

On a system without Linux's `/proc`, memory, files and start are unknown.
"""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STATE, START = 0, 19  # the fields of `/proc/<pid>/stat` after the name of the command
GONE = "ZX"  # states of a process that has ended


@dataclass(slots=True)
class ProcessCounts:
    """The time of a process: when it began, in clock ticks since the boot and as `time.time()`, and its CPU seconds."""

    ticks: int = 0
    start: float = math.inf
    cpu_seconds: float = 0.0

    def merge(self, other: "ProcessCounts") -> None:
        """Add another process: both began with the first of them."""
        self.start = min(self.start, other.start)
        self.cpu_seconds += other.cpu_seconds


@dataclass(slots=True)
class ProcessUse:
    """The memory and the open files of some processes."""

    virtual_bytes: int = 0
    resident_bytes: int = 0
    open_files: int = 0
    max_files: int = 0

    def merge(self, other: "ProcessUse") -> None:
        self.virtual_bytes += other.virtual_bytes
        self.resident_bytes += other.resident_bytes
        self.open_files += other.open_files
        self.max_files += other.max_files


def new_process_counts() -> ProcessCounts:
    """Return those of this process, without CPU seconds."""
    try:
        ticks = int(_stat(os.getpid())[START])
    except OSError:
        return ProcessCounts(start=time.time())
    since_boot = ticks / os.sysconf("SC_CLK_TCK")
    return ProcessCounts(ticks, time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot))


def is_alive(process: int, ticks: int) -> bool:
    """Return whether the process with this id that began at these clock ticks, or at any if they are 0, is running."""
    try:
        if not ticks:
            os.kill(process, 0)
            return True
        stat = _stat(process)
        return stat[STATE] not in GONE and int(stat[START]) == ticks
    except OSError:  # no process has the id any more, or it belongs to another user's
        return False


def use_of(process: int) -> ProcessUse | None:
    """Return the memory and files of a process, or None if they are unknown."""
    folder = PROC / str(process)
    try:
        virtual, resident, *_ = map(int, (folder / "statm").read_text().split())
        limits = (folder / "limits").read_text().partition("Max open files")[2]
        files = len(os.listdir(folder / "fd"))
    except OSError:
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    return ProcessUse(virtual * page, resident * page, files, int(limits.split()[0]))


def _stat(process: int) -> list[str]:
    return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
