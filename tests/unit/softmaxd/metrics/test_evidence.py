"""The evidence of drift: of one worker, of several, and while their files cannot be written."""

import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import StartupError
from softmaxd.metrics.evidence import MOST_ROWS, Evidence, check_folder
from softmaxd.models.calibration import Calibration
from softmaxd.models.outputs import Array
from softmaxd.numerics.trust import quantiles
from tests.support.manifests import manifest


def evidence(folder: Path | None = None, seed: int = 1) -> Evidence:
    values = tuple(quantiles(np.random.default_rng(seed).chisquare(2, 500)).tolist())
    calibration = Calibration(rows=500, temperature=1.0, scores=values, atypicality=values)
    return Evidence(manifest(1, calibration=calibration), folder)


def rows(number: int, *, far: float = 0.0, seed: int = 0) -> Array:
    return (np.random.default_rng(seed).chisquare(2, number) + far).astype(np.float32)


def test_rows_count_at_the_next_save() -> None:
    found = evidence()
    found.take(rows(20, far=99))
    before = found.value
    found.save()

    assert (before, found.value > 100) == (1, True)


def test_rows_that_are_not_finite_are_the_most_atypical() -> None:
    found, same = evidence(), evidence()
    found.take(np.full(20, np.nan, dtype=np.float32))
    same.take(rows(20, far=99))
    found.save()
    same.save()

    assert found.value == same.value


def test_of_many_rows_some_at_even_distances_count() -> None:
    found, same = evidence(), evidence()
    many = rows(1_000, far=2)
    found.take(many)
    found.take(rows(1_000, far=99))  # there is no room for more
    same.take(many[::32])
    found.save()
    same.save()

    assert len(many[::32]) == MOST_ROWS
    assert found.value == same.value != 1


def test_workers_bet_with_the_same_money_on_the_same_rows(tmp_path: Path) -> None:
    alone, workers = evidence(), [evidence(tmp_path), evidence(tmp_path)]
    for turn in range(6):
        some = rows(10, far=turn, seed=turn)
        for each in (alone, workers[turn % 2]):
            each.take(some)
            each.save()

    assert [worker.value for worker in workers] == [alone.value] * 2
    assert alone.value > 10
    assert evidence(tmp_path).value == alone.value  # a worker that takes the place of one that died
    assert evidence(tmp_path, seed=2).value == 1  # the version is published anew, with other calibration rows


def test_rows_wait_while_another_worker_bets(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here = evidence(tmp_path)
    here.take(rows(10, far=99))
    descriptor = os.open(tmp_path / here.name, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    here.save()
    before = here.value

    os.close(descriptor)
    here.save()

    assert (before, here.value > 10) == (1, True)
    assert caplog.messages == []


def test_rows_wait_while_the_folder_is_away_and_one_line_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "shared"
    here = evidence(folder)
    here.take(rows(10, far=99))
    for _ in range(3):
        here.save()
    before = here.value
    reason = f"the evidence of drift cannot be kept in {folder / here.name}: No such file or directory"
    assert caplog.messages == [reason]

    folder.mkdir()
    here.save()

    assert (before, here.value > 10) == (1, True)


def test_a_folder_in_which_no_file_can_be_written_stops_the_start(tmp_path: Path) -> None:
    check_folder(None)
    check_folder(tmp_path)

    with pytest.raises(
        StartupError, match=r"^drift_dir: no file can be written in .*/none: No such file or directory$"
    ):
        check_folder(tmp_path / "none")


def test_a_file_that_was_not_written_whole_is_none(tmp_path: Path) -> None:
    here = evidence(tmp_path)
    (tmp_path / here.name).write_bytes(b"\xff" * 100)

    assert here.value == 1
    here.take(rows(10, far=99))
    here.save()
    assert evidence(tmp_path).value == here.value > 10


@pytest.mark.parametrize("workers", [1, 2])
def test_good_rows_over_many_restarts_of_workers_are_no_alarm(tmp_path: Path, workers: int) -> None:
    numbers = np.random.default_rng(5)
    for _ in range(50):
        for worker in [evidence(tmp_path) for _ in range(workers)]:
            worker.take(numbers.chisquare(2, MOST_ROWS).astype(np.float32))
            worker.save()
            assert worker.value < 20


def test_the_evidence_stays_at_its_peak_for_minutes_when_the_shift_becomes_usual(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = evidence(tmp_path)
    for _ in range(200):
        here.take(rows(MOST_ROWS, far=99))
        here.save()
    assert here.value == evidence(tmp_path).value == pytest.approx(1e6)

    monkeypatch.setattr("softmaxd.metrics.evidence.HELD", 0.0)
    assert here.value < 100
