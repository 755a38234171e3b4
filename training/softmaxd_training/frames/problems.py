"""Collects the problems of a file, so that all are told at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softmaxd.errors import Refused

MOST = 20  # lines that a reader looks at


class Problems:
    """The changes that a file needs, one line each, in the order in which they were found."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._untold = 0

    def add(self, line: str) -> None:
        """Add a problem: its place, the fault, and the cure."""
        if len(self._lines) < MOST:
            self._lines.append(line)
        else:
            self._untold += 1

    def leave_out(self, number: int) -> None:
        """Count further problems without telling them."""
        self._untold += number

    def __len__(self) -> int:
        """Return the number of problems."""
        return len(self._lines) + self._untold

    def refuse(self) -> None:
        """Raise one `Refused` with a line for each problem, if there is one."""
        if self._lines:
            raise Refused("\n".join([*self._lines, *([f"and {self._untold} more"] if self._untold else [])]))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Begin each line of a refusal with the name of the file."""
    try:
        yield
    except Refused as error:
        raise Refused("\n".join(f"{path.name}: {line}" for line in str(error).splitlines())) from error
