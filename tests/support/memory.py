"""The memory of another process, in bytes."""

import re
from pathlib import Path


def resident(pid: int) -> int:
    """Return the memory that it has now."""
    return _status(pid, "VmRSS")


def peak(pid: int) -> int:
    """Return the most memory that it has had since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Let the peak begin at the memory that it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    return int(re.findall(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[0]) * 1024
