"""Ends a trial shortly before the memory of its container is used up.

Linux kills the trial first, but for some milliseconds its memory is not free yet. If the service then asks for any,
Linux may kill the service, too.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# the files of cgroup v2 and v1 that have the limit and the statistics, and the line about memory that cannot be freed
FILES = (
    ("memory.max", "memory.stat", "anon "),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss "),
)
UNLIMITED = 2**60  # bytes; cgroup v1 writes such numbers where there is no limit
HEADROOM = 32 * 2**20  # bytes; a trial takes up to 5 MiB a millisecond
PAUSE = 0.002  # seconds

BytesLeft = Callable[[], int]


def bytes_left(folder: Path = CGROUPS) -> BytesLeft | None:
    """Return a function that tells how many bytes the limit of the container leaves; None if there is no limit."""
    for limit_file, statistics, line in FILES:
        try:
            limit = int((folder / limit_file).read_text())
        except (OSError, ValueError):  # another version of cgroups; "max" in v2 for no limit
            continue
        if limit < UNLIMITED:
            return partial(_left, limit, folder / statistics, line)
    return None


def _left(limit: int, statistics: Path, name: str) -> int:
    lines = statistics.read_text().splitlines()
    return limit - next(int(line.removeprefix(name)) for line in lines if line.startswith(name))


def watch(left: BytesLeft | None, end: Callable[[], object], headroom: int = HEADROOM) -> None:
    """Call `end` from a thread as soon as fewer bytes than the headroom are left; never without a limit."""
    if left is None:
        return

    def look() -> None:
        while left() > headroom:
            time.sleep(PAUSE)
        end()

    threading.Thread(target=look, name="headroom", daemon=True).start()
