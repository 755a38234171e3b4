"""Errors of the operating system as lines for people: the reason, and the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Name a file in an `OSError` that names none, such as that of a write."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sentence(error: OSError) -> str:
    """Return an error as one line with its files, such as the source and the target of a copy."""
    files = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    reason = error.strerror or " ".join(map(str, error.args))
    return f"{reason}: {files}" if files else reason
