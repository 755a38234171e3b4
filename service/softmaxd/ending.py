"""Ends the process when it cannot end by itself: Python cannot interrupt a run of a model."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

END_SIGNALS = {signal.SIGTERM, signal.SIGINT}

logger = logging.getLogger(__name__)


def end_now(reason: str, code: int = 1) -> None:
    """End the process at once, with one log line, and without the clean-up that could wait for a thread."""
    logger.log(logging.CRITICAL if code else logging.WARNING, "%s: ending the process now", reason)
    logging.shutdown()
    os._exit(code)


class LastResort:
    """Ends the process some seconds after the signal to end, unless it has ended by then.

    Python calls the handler of a signal between two bytecodes of the main thread, so never while a kernel runs there.
    But it writes the number of the signal to a file descriptor at once, which a thread can read.
    """

    def __init__(self, seconds: float, end: Callable[[str], object] = end_now) -> None:
        self._seconds = seconds
        self._end = end
        self._timer: threading.Timer | None = None
        self._writer: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def arm(self) -> None:
        """Begin to count the seconds, if that has not begun."""
        if self._timer is None:
            reason = f"the process goes on {self._seconds:g} s after the signal to end"
            self._timer = threading.Timer(self._seconds, self._end, [reason])
            self._timer.daemon = True
            self._timer.start()

    def watch_signals(self) -> None:
        """Count from SIGTERM or SIGINT on, in a process whose event loop runs in its main thread."""
        if threading.current_thread() is not threading.main_thread():
            return  # this one gets no signals
        reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._read, args=(reader, before), name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch signals no longer, because the event loop has ended."""
        if self._writer is not None and self._thread is not None:
            signal.set_wakeup_fd(-1)
            self._writer.close()
            self._thread.join()

    def _read(self, reader: socket.socket, before: int) -> None:
        with reader:
            while numbers := reader.recv(16):
                if before >= 0:  # of uvloop, which would not wake up without them
                    with suppress(OSError):  # its loop has ended
                        os.write(before, numbers)
                if END_SIGNALS.intersection(numbers):
                    self.arm()
