"""The counts of several workers, also while their folder is full or away."""

import logging
import os
from pathlib import Path

import pytest

from softmaxd.metrics.counts import NO_MODEL, Counts
from softmaxd.metrics.sharing import SharedCounts

GONE = 2**22 + 1  # above the highest process id that Linux gives


def refused(number: int) -> Counts:
    counts = Counts()
    counts.rejections["queue_full", NO_MODEL] = number
    return counts


def save_as(folder: Path, process: int, counts: Counts) -> None:
    SharedCounts(folder).save(counts)
    (folder / str(os.getpid())).rename(folder / str(process))


def test_each_other_worker_is_read_the_dead_included(tmp_path: Path) -> None:
    save_as(tmp_path, GONE, refused(1))
    save_as(tmp_path, os.getppid(), refused(2))
    shared = SharedCounts(tmp_path)
    shared.save(refused(4))
    (tmp_path / ".12").write_bytes(b"half written")

    found = {(process, counts.rejections["queue_full", NO_MODEL]) for process, counts in shared.others()}

    assert found == {(GONE, 1), (os.getppid(), 2)}
    assert shared.problem == ""


def test_a_folder_that_is_away_is_told_once_and_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "shared"
    shared = SharedCounts(folder)
    for _ in range(3):
        shared.save(refused(1))
        assert list(shared.others()) == []
    away = shared.problem

    folder.mkdir()
    shared.save(refused(1))

    assert (away, shared.problem) == ("No such file or directory", "")
    assert caplog.messages == [
        "cannot save the metrics: No such file or directory; each worker answers with its own",
        "the metrics of all workers are saved again",
    ]


def test_a_full_disk_leaves_the_last_counts_of_a_worker(tmp_path: Path) -> None:
    save_as(tmp_path, os.getppid(), refused(2))
    (tmp_path / f".{os.getpid()}").symlink_to("/dev/full")
    shared = SharedCounts(tmp_path)

    shared.save(refused(1))

    assert shared.problem == "No space left on device"
    assert [counts.rejections["queue_full", NO_MODEL] for _, counts in shared.others()] == [2]
