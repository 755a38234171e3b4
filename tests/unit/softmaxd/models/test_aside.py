"""Work that may never end has a deadline, and at most one thread is left behind."""

import threading

import pytest

from softmaxd.models.aside import Aside
from softmaxd.models.files import NotNow
from tests.support.waiting import until

LATE = r"^it took more than 0\.01 s \(scan_timeout\)$"


def threads() -> int:
    return sum(thread.name == "aside" for thread in threading.enumerate())


def test_a_result_and_an_exception_come_back() -> None:
    aside = Aside(threading.Event())

    assert aside.run(lambda: 7, seconds=60, setting="scan_timeout") == 7
    with pytest.raises(TimeoutError, match="a network mount says so"):
        aside.run(lambda: raise_(TimeoutError("a network mount says so")), seconds=60, setting="scan_timeout")


def raise_(error: Exception) -> None:
    raise error


def test_work_that_hangs_is_left_behind_once() -> None:
    release = threading.Event()
    aside = Aside(threading.Event())
    before = threads()

    for _ in range(3):
        with pytest.raises(NotNow, match=LATE):
            aside.run(release.wait, seconds=0.01, setting="scan_timeout")
    assert threads() == before + 1

    release.set()
    until(lambda: threads() == before)
    assert aside.run(lambda: 7, seconds=60, setting="scan_timeout") == 7


def test_the_next_work_waits_for_the_end_of_the_one_before() -> None:
    release = threading.Event()
    aside = Aside(threading.Event())
    with pytest.raises(NotNow):
        aside.run(release.wait, seconds=0.01, setting="scan_timeout")

    threading.Timer(0.05, release.set).start()

    assert aside.run(lambda: 7, seconds=60, setting="scan_timeout") == 7


def test_a_stop_ends_the_wait() -> None:
    release, stop = threading.Event(), threading.Event()
    threading.Timer(0.05, stop.set).start()

    with pytest.raises(NotNow):
        Aside(stop).run(release.wait, seconds=600, setting="scan_timeout")
    release.set()


def test_a_thread_that_cannot_be_started_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", lambda _: raise_(RuntimeError("can't start new thread")))

    with pytest.raises(NotNow, match=r"^no thread can be started$"):
        Aside(threading.Event()).run(lambda: 7, seconds=60, setting="scan_timeout")
