"""Accepts connections so that the workers of a service have about as many of them each.

All workers listen on one socket, and the kernel wakes any of them. Each writes down how many connections it has, in
memory that they share. A worker that has more than another one leaves a new connection to that one for a moment.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from mmap import mmap
from pathlib import Path

from softmaxd.logs import RareLines

FILE = "connections"  # in the folder that the workers share
NUMBER_BYTES = 8
PAUSE = 0.001  # seconds, between two looks at a connection that is left to another worker
PATIENCE = 0.05  # seconds; a worker that takes no connection in this time is busy or stopped
NO_FILES_SECONDS = 0.1  # until the next try if no file descriptor is free

Connect = Callable[[socket.socket], Coroutine[object, object, object]]

logger = logging.getLogger(__name__)


class Counts:
    """The numbers of connections of all workers: each worker has a place, which it locks as long as it lives."""

    def __init__(self, folder: Path, workers: int) -> None:
        """Take a place. Raises `OSError`."""
        size = 2 * workers * NUMBER_BYTES  # a worker may begin before another one has ended
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size < size:  # written, not only made longer: no memory may be left
            os.pwrite(self._file, bytes(NUMBER_BYTES), size - NUMBER_BYTES)
        self._numbers = memoryview(mmap(self._file, size)).cast("q")  # 0 for no worker, else one more
        self._mine = next(place for place in range(len(self._numbers)) if self._lock(place))

    def tell(self, connections: int) -> None:
        """Write down the number of connections of this worker."""
        self._numbers[self._mine] = connections + 1

    def leave(self) -> None:
        """Take part no more."""
        self._numbers[self._mine] = 0

    def fewest(self) -> tuple[int, int] | None:
        """Return the fewest connections of another worker, and its place; None if there is no other worker."""
        numbers = enumerate(self._numbers)
        others = [(number - 1, place) for place, number in numbers if number and place != self._mine]
        return min(others, default=None)

    def is_taken(self, place: int) -> bool:
        """Return True if the worker with this place lives; else clear the place."""
        if not self._lock(place):
            return True
        self._numbers[place] = 0
        self._unlock(place)
        return False

    def _lock(self, place: int) -> bool:
        import fcntl  # noqa: PLC0415 - Windows has no such module

        with suppress(BlockingIOError, PermissionError):  # which of them depends on the system
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            return True
        return False

    def _unlock(self, place: int) -> None:
        import fcntl  # noqa: PLC0415 - as above

        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)


class Acceptor:
    """Accepts connections in one worker, in the place of an `asyncio.Server`.

    `connect` serves an accepted connection, and `connections` returns the number of those that are open.
    """

    def __init__(
        self, listener: socket.socket, counts: Counts, connect: Connect, connections: Callable[[], int]
    ) -> None:
        self._listener = listener
        self._counts = counts
        self._connect = connect
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._left_since: float | None = None  # since when a connection is left to another worker
        self._busy: tuple[int, int] | None = None  # the worker that did not take one, and the number that it had
        self._pause: asyncio.TimerHandle | None = None
        self._lines = RareLines(logger)
        listener.setblocking(False)
        self.tell()
        self._listen()

    def tell(self) -> None:
        """Tell the other workers the number of connections."""
        self._counts.tell(self._open())

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener)
        self._counts.leave()

    async def wait_closed(self) -> None:
        """Do nothing: a closed acceptor has nothing left."""

    def _open(self) -> int:
        return self._connections() + len(self._connecting)

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _pause_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._listen)

    def _accept(self) -> None:
        """Accept one connection, unless another worker should."""
        self.tell()
        if self._is_for_another():
            self._pause_for(PAUSE)
            return
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            self._left_since = None
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                self._lines.warning("no connection can be accepted: %s", error.strerror)
                self._pause_for(NO_FILES_SECONDS)
            return
        task = self._loop.create_task(self._serve(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client has left, or TLS failed
            await self._connect(connection)

    def _is_for_another(self) -> bool:
        """Return True if another worker has fewer connections, and is given time to take this one."""
        fewest = self._counts.fewest()
        if fewest is None or fewest[0] >= self._open() or fewest == self._busy or not self._counts.is_taken(fewest[1]):
            self._left_since = None
            return False
        now = self._loop.time()
        self._left_since = self._left_since or now
        if now - self._left_since < PATIENCE:
            return True
        self._busy, self._left_since = fewest, None
        return False
