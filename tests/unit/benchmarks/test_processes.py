"""The processor time of processes is that which they know of themselves."""

import os
import subprocess
import sys
import time

import pytest
from benchmarks.processes import processor_seconds

STEPS = 0.03  # user and system time are each cut to steps of 10 ms, at two moments


def test_the_processor_time_is_that_of_the_process_itself() -> None:
    while (before := time.process_time()) < 0.1:
        pass

    seconds = processor_seconds([os.getpid()])

    assert before - STEPS <= seconds <= time.process_time() + STEPS


def test_the_times_of_several_processes_are_added() -> None:
    program = "import sys; sum(range(3_000_000)); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        alone, own = processor_seconds([child.pid]), processor_seconds([os.getpid()])
        both = processor_seconds([child.pid, os.getpid()])

    assert alone > 0
    assert both == pytest.approx(alone + own, abs=STEPS)


def test_a_process_that_is_gone_is_an_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()

    with pytest.raises(FileNotFoundError, match=str(child.pid)):
        processor_seconds([child.pid])
