"""Prints lines for people. Nothing else in the command prints, so no name in a file can steer the terminal."""

from typing import TextIO

from softmaxd.logs import printable


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, on standard output unless `file` says otherwise; characters that are not printable are escaped."""
    print(*map(printable, lines), sep="\n", file=file, flush=True)
