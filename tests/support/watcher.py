"""Kills process groups when the test run that started them ends, however it ends: also by SIGKILL.

Only the test run holds the write end of this program's standard input. It writes the id of a group when it starts one,
and once more when the group has ended. At the end of the input, the groups that are left are killed.
"""

import contextlib
import os
import signal
import sys

if __name__ == "__main__":
    groups: set[int] = set()
    for line in sys.stdin:
        groups ^= {int(line)}
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
