"""A test run that is killed leaves no process behind."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from softmaxd.shared_folder import SHARED_MEMORY
from tests.support.paths import REPOSITORY
from tests.support.processes import forget, living, start
from tests.support.waiting import until

TEST = """
import time

from tests.support.server import Server


def test_waits() -> None:
    server = Server("--workers", "2", environment={})
    print("\\ngroup", server.process.pid, flush=True)
    time.sleep(600)
"""


def test_a_server_and_its_workers_end_when_the_test_run_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "test_waits.py"
    file.write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", str(file)]
    tests = start(command, cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert tests.stdout is not None
    group = next(int(line.split()[1]) for line in tests.stdout if line.startswith("group "))
    until(lambda: len(living(group)) > 2)  # the supervisor and two workers

    os.kill(tests.pid, signal.SIGKILL)

    until(lambda: not living(group))
    tests.communicate()
    forget(tests)
    for folder in SHARED_MEMORY.glob(f"softmaxd-{group}-*"):
        shutil.rmtree(folder, ignore_errors=True)  # a service that starts now removes it, too
