import logging
import os
import queue
import signal
import threading

import pytest

from softmaxd.ending import LastResort, end_now


@pytest.mark.parametrize(("code", "level"), [(1, "CRITICAL"), (0, "WARNING")])
def test_the_process_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int, level: str
) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(logging, "shutdown", lambda: codes.append(-1))

    end_now("a model hangs", code)

    assert codes == [-1, code]
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        (level, "a model hangs: ending the process now")
    ]


def test_the_seconds_count_once() -> None:
    ends: queue.Queue[str] = queue.Queue()
    last_resort = LastResort(0.01, ends.put)

    last_resort.arm()
    last_resort.arm()

    assert ends.get(timeout=10) == "the process goes on 0.01 s after the signal to end"
    assert ends.empty()


@pytest.mark.parametrize("has_loop", [True, False])
def test_a_signal_is_noticed_and_handed_on_to_the_event_loop(has_loop: bool) -> None:
    ends: queue.Queue[str] = queue.Queue()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    before = signal.set_wakeup_fd(writer if has_loop else -1)
    try:
        last_resort = LastResort(0.0, ends.put)
        last_resort.watch_signals()
        signal.raise_signal(signal.SIGTERM)

        assert ends.get(timeout=10)
        assert not has_loop or os.read(reader, 16) == bytes([signal.SIGTERM])
    finally:
        last_resort.close()
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, handler)
        os.close(reader)
        os.close(writer)


def test_another_signal_and_a_loop_that_has_ended_change_nothing() -> None:
    ends: queue.Queue[str] = queue.Queue()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handler = signal.signal(signal.SIGUSR1, lambda *_: None)
    before = signal.set_wakeup_fd(writer)
    try:
        last_resort = LastResort(0.0, ends.put)
        last_resort.watch_signals()
        os.close(reader)
        os.close(writer)
        signal.raise_signal(signal.SIGUSR1)
        last_resort.close()

        assert ends.empty()
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGUSR1, handler)


def test_only_the_main_thread_watches_signals() -> None:
    last_resort = LastResort(0.0)
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)

    thread = threading.Thread(target=last_resort.watch_signals)
    thread.start()
    thread.join()
    last_resort.close()

    assert signal.set_wakeup_fd(before) == before
