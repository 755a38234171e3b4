import queue
import time

from softmaxd.models.watchdog import Watchdog


def test_a_run_is_stopped_once_when_it_takes_too_long() -> None:
    stopped: list[str] = []
    watchdog = Watchdog(10)

    watchdog.look(100.0)
    watchdog.running = (101.0, lambda: stopped.append("first"))
    for now in (100.5, 101.5):
        watchdog.look(now)
    assert stopped == []  # not at the first look: it may have been the process that was halted
    for now in (101.6, 101.7, 101.8):
        watchdog.look(now)
    watchdog.running = (103.0, lambda: stopped.append("second"))
    for now in (102.5, 103.5, 103.6, 103.7):
        watchdog.look(now)

    assert stopped == ["first", "second"]


def test_a_run_that_cannot_be_stopped_ends_the_process() -> None:
    ends: list[str] = []
    watchdog = Watchdog(10, ends.append)

    watchdog.running = (100.0, lambda: None)
    for now in (100.0, 100.1, 109.0, 111.0):
        watchdog.look(now)

    assert ends == ["a model has held up the process for more than 10 s and cannot be stopped"]


def test_it_looks_by_itself_until_it_is_closed() -> None:
    stopped: queue.Queue[bool] = queue.Queue()
    watchdog = Watchdog(1000)
    watchdog.running = (time.monotonic(), lambda: stopped.put(True))

    watchdog.start()

    assert stopped.get(timeout=10)
    watchdog.close()
