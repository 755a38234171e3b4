"""Collects the problems of a file, so that all are told at once."""

from softmaxd.errors import Refused

MOST = 20  # lines that a reader looks at


class Problems:
    """The changes that a file needs, one line each, in the order in which they were found."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Add a problem: its place, the fault, and the cure."""
        self._lines.append(line)

    def __len__(self) -> int:
        """Return the number of problems."""
        return len(self._lines)

    def refuse(self) -> None:
        """Raise one `Refused` with a line for each problem, if there is one."""
        if self._lines:
            more = len(self._lines) - MOST
            raise Refused("\n".join([*self._lines[:MOST], *([f"and {more} more"] if more > 0 else [])]))
