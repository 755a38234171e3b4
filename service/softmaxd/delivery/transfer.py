"""Brings a file out of a store: the rest after a break, within a size and a time, with progress for people."""

import errno
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol

from softmaxd.delivery.archive import MAX_ARCHIVE_BYTES
from softmaxd.delivery.names import MAX_LIST_BYTES, Archive
from softmaxd.delivery.store import BLOCK_BYTES, Broken, Rejected, Store, Stream
from softmaxd.models.files import NotNow

MOST_FAILURES = 5  # in a row, without a byte between them
FIRST_WAIT = 0.5  # seconds after a failure; twice as long after each further one
TELL_SECONDS = 5.0
REPEAT_SECONDS = 10.0  # after the deadline, because a library may have caught the exception

Tell = Callable[[str], None]


class TimeIsOver(NotNow):
    """A transfer takes longer than it may."""


@dataclass(slots=True)
class Patience:
    """How often and how long a transfer is tried."""

    seconds: float
    tell: Tell
    failures: int = 0
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    def check(self, place: str) -> None:
        """Raise `TimeIsOver` after the deadline."""
        if time.monotonic() >= self.deadline:
            raise TimeIsOver(f"{place} is not complete after {self.seconds:g} s (--timeout)")

    @contextmanager
    def limit(self, place: str) -> Iterator[None]:
        """End the block by `TimeIsOver` at the deadline, wherever it waits: for a server, a lock, or a trial.

        A server that sends a byte now and then breaks no limit of a socket. Other threads than the main one get no
        signals, so there the deadline is only looked at between two pieces.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.check(place)
        before = signal.signal(signal.SIGALRM, lambda *_: self.check(place))
        # The timer may be earlier than the clock by a tick.
        signal.setitimer(signal.ITIMER_REAL, self.deadline - time.monotonic() + 0.01, REPEAT_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def wait(self, place: str, error: Broken) -> None:
        """Wait after a failure. Raises `Broken` after too many, or `TimeIsOver`."""
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            raise Broken(f"{error}; given up after {self.failures} tries") from error
        self.tell(f"{error}; trying again")
        left = max(0.0, self.deadline - time.monotonic())
        time.sleep(min(left, FIRST_WAIT * 2 ** (self.failures - 1)))
        self.check(place)


def read_small(store: Store, name: str, patience: Patience) -> bytes:
    """Return the content of a list of checksums. Raises `Absent`, `Refused`, `Broken` or `OSError`."""
    while True:
        content = bytearray()
        try:
            with store.stream(name, 0, None) as stream:
                for chunk in _whole(stream, store.place(name), patience):
                    content += chunk
                    _check_size(store.place(name), len(content), MAX_LIST_BYTES)
            return bytes(content)
        except Broken as error:
            patience.wait(store.place(name), error)


def receive(store: Store, archive: Archive, file: IO[bytes], patience: Patience) -> None:
    """Bring an archive into a file, after the bytes of it that are there, until it has the SHA-256 that it should.

    Raises `Absent`, `Refused`, `Broken` or `OSError`.
    """
    arrival = _Arrival(store.place(archive.file), file, patience)
    if arrival.size and arrival.sha256 == archive.sha256:  # only publishing it was missing
        return
    arrival.receive(store, archive.file)
    if arrival.is_joined and arrival.sha256 != archive.sha256:
        patience.tell(f"{arrival.place}: the part that was there before is of other bytes; beginning again")
        arrival.restart()
        arrival.receive(store, archive.file)
    if arrival.sha256 != archive.sha256:
        raise Rejected(f"{arrival.place} has the SHA-256 {arrival.sha256}, not {archive.sha256}")


class Hash(Protocol):
    """A hash of hashlib."""

    def update(self, content: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


class _Arrival:
    """A file on its way: the bytes that are there, and their hash."""

    def __init__(self, place: str, file: IO[bytes], patience: Patience) -> None:
        self.place = place
        self._file, self._patience = file, patience
        self._hash: Hash = hashlib.sha256()
        self._validator: str | None = None
        self._told = time.monotonic()
        self.size = 0
        self.is_joined = False  # of parts that may be of two files: not every server heeds `If-Range`
        file.seek(0)
        while chunk := file.read(BLOCK_BYTES):
            self._hash.update(chunk)
            self.size += len(chunk)

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def restart(self) -> None:
        """Forget the bytes that are there."""
        self._file.seek(0)
        self._file.truncate()
        self._hash, self.size, self.is_joined = hashlib.sha256(), 0, False

    def receive(self, store: Store, name: str) -> None:
        """Receive the file to its end, in several tries if need be."""
        while True:
            before = self.size
            try:
                with store.stream(name, self.size, self._validator) as stream:
                    self._follow(stream)
                return
            except Broken as error:
                if self.size > before:
                    self._patience.failures = 0
                self._patience.wait(self.place, error)

    def _follow(self, stream: Stream) -> None:
        if stream.start:
            self._patience.tell(f"{self.place}: resuming after {self.size:,} bytes")
            self.is_joined = True
        else:
            self.restart()
        self._validator = stream.validator
        total = stream.total or 0
        _check_size(self.place, total, MAX_ARCHIVE_BYTES)
        _check_space(self._file, 2 * total - self.size)  # for the rest, and for the version that is unpacked
        for chunk in _whole(stream, self.place, self._patience):
            self._file.write(chunk)
            self._hash.update(chunk)
            self.size += len(chunk)
            _check_size(self.place, self.size, MAX_ARCHIVE_BYTES)
            self._tell(stream.total)

    def _tell(self, total: int | None) -> None:
        """Tell the progress, now and then and at the end."""
        if time.monotonic() >= self._told + TELL_SECONDS or self.size == total:
            self._told = time.monotonic()
            self._patience.tell(f"{self.place}: {self.size:,} of {'?' if total is None else f'{total:,}'} bytes")


def _whole(stream: Stream, place: str, patience: Patience) -> Iterator[bytes]:
    """Yield the bytes of a stream. Raises `Broken` if some are missing at its end, or `TimeIsOver`."""
    size = stream.start
    for chunk in stream.chunks:
        patience.check(place)
        size += len(chunk)
        yield chunk
    if stream.total is not None and size < stream.total:
        raise Broken(f"{place}: the transfer ended after {size:,} of {stream.total:,} bytes")


def _check_size(place: str, size: int, most: int) -> None:
    if size > most:
        raise Rejected(f"{place} has more than the {most:,} bytes that it may have")


def _check_space(file: IO[bytes], size: int) -> None:
    """Raise `OSError` before the transfer if the disk of a file has no room: `--watch` would repeat it for ever."""
    status = os.fstatvfs(file.fileno())
    if status.f_blocks and status.f_bfree * status.f_frsize < size:  # a file system may know no size
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} for {size:,} bytes")
