"""A store as `pull` and `push` see it, and how its failures are told apart."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from softmaxd.errors import Refused
from softmaxd.models.files import NotNow

BLOCK_BYTES = 2**18


class Absent(Refused):
    """The store has no such file."""


class Rejected(Refused):
    """An archive must not be published, and it does not get better by itself."""


class Broken(NotNow):
    """A transfer failed for a reason that may pass by itself; the message is one line with it."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes of a file in a store, from `start` on.

    `total` is the size of the whole file, None if the store does not say. `validator` changes when the file does.
    """

    chunks: Iterator[bytes]
    start: int = 0
    total: int | None = None
    validator: str | None = None


class Store(Protocol):
    """Has files with archives and checksums."""

    def place(self, name: str) -> str:
        """Return the place of a file for a message, without anything secret."""

    def stream(self, name: str, start: int, validator: str | None) -> AbstractContextManager[Stream]:
        """Open a file, from byte `start` on if its validator is still the same and the store can do so, else whole.

        Raises `Absent`, `Refused` if it is of no use to try again, or `Broken`, now or as the stream is read.
        """


class Shelf(Store, Protocol):
    """A store that takes files, too."""

    def names(self) -> Iterable[str]:
        """Return the names of the files. Raises `Refused`, `Broken` or `OSError`."""

    def create(self, name: str, path: Path) -> bool:
        """Store a file, all of it or nothing; return False if the name is taken. Raises as `names`."""

    def write(self, name: str, content: bytes) -> None:
        """Store a file in the place of the one that is there, so that readers see the one or the other.

        Raises as `names`.
        """


def blocks(read: "Read", start: int, total: int) -> Iterator[bytes]:
    """Yield the rest of a file, of which `read(size)` returns the next bytes."""
    while start < total and (chunk := read(min(BLOCK_BYTES, total - start))):
        start += len(chunk)
        yield chunk


class Read(Protocol):
    """Returns the next bytes, at most `size`."""

    def __call__(self, size: int, /) -> bytes: ...
