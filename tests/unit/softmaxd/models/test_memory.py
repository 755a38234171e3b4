"""Freed memory is kept for the next request, or given back after a load."""

import subprocess
import sys

FREED = 48 * 2**20  # in pieces of 16 MiB, less than glibc keeps
HOLD_AND_FREE = """
import re
from pathlib import Path
from softmaxd.models.memory import keep_freed_memory, return_freed_memory

keep_freed_memory()
pieces = [bytearray(b"x" * 2**24) for _ in range(4)]
last = pieces.pop()
def resident():
    return int(re.findall(r"VmRSS:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024
full = resident()
del pieces
kept = full - resident()
return_freed_memory()
print(kept, full - resident())
"""


def test_freed_memory_is_kept_until_it_is_returned() -> None:
    ended = subprocess.run([sys.executable, "-c", HOLD_AND_FREE], capture_output=True, text=True, check=True)

    kept, returned = map(int, ended.stdout.split())
    assert kept < FREED / 2
    assert returned > FREED * 0.9
