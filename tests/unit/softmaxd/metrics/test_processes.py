import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from softmaxd.metrics import processes
from softmaxd.metrics.processes import ProcessUse, is_alive, new_process_counts, use_of

GONE = 2**22 + 1  # above the highest process id that Linux gives


def test_this_process_began_a_while_ago() -> None:
    counts = new_process_counts()

    assert counts.ticks > 0
    assert counts.cpu_seconds == 0
    assert time.time() - time.monotonic() < counts.start < time.time()
    assert new_process_counts().start == pytest.approx(counts.start, abs=1)


def test_a_process_lives_until_it_ends_also_before_its_parent_has_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ticks = int(processes._stat(child.pid)[processes.START])
    before = is_alive(child.pid, ticks)

    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
    after = is_alive(child.pid, ticks)
    child.communicate()

    assert (before, after, is_alive(child.pid, ticks)) == (True, False, False)


def test_a_process_that_got_the_id_of_another_one_is_not_that_one() -> None:
    ticks = new_process_counts().ticks

    assert is_alive(os.getpid(), ticks)
    assert not is_alive(os.getpid(), ticks - 1)


def test_memory_and_files_are_those_of_the_process() -> None:
    before = use_of(os.getpid())
    with Path(__file__).open():
        use = use_of(os.getpid())

    assert before is not None
    assert use is not None
    assert use.open_files == before.open_files + 1
    assert 2**20 < use.resident_bytes < use.virtual_bytes
    assert use.open_files < use.max_files
    assert use_of(GONE) is None


def test_without_proc_a_process_is_known_by_its_id_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    now = time.time()

    counts = new_process_counts()

    assert counts.ticks == 0
    assert now <= counts.start <= time.time()
    assert is_alive(os.getpid(), 0)
    assert not is_alive(GONE, 0)


def test_the_use_of_two_processes_adds_up() -> None:
    total = ProcessUse(1, 2, 3, 4)

    total.merge(ProcessUse(10, 20, 30, 40))

    assert total == ProcessUse(11, 22, 33, 44)
