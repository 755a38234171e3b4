"""Reads the files of a version folder. It opens regular files only: a pipe or a device could block for ever."""

import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path

from softmaxd.errors import ModelError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
NO_WAITING = getattr(os, "O_NONBLOCK", 0)  # which Windows does not have


class NotNow(ModelError):
    """A version cannot be read or tried now, for a reason that may pass by itself; the message is one line with it."""


def read_regular(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of a file. Raises as `open_regular`, and `ModelError` if the file is too large."""
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ModelError(f"{path.name} has more than the {max_bytes} bytes that it may have")
    return content


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file. Raises as `open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read its bytes. Raises `ModelError` if it is no regular file, or `OSError`."""
    kind = stat.S_IFMT(path.stat().st_mode)  # before it is opened: to open a device may already do something
    if kind != stat.S_IFREG:
        raise ModelError(f"{path.name} is {KINDS.get(kind, 'something else')}, not a regular file")
    return open(path, "rb", opener=_open_without_waiting)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file that may have become a pipe since it was looked at."""
    return os.open(path, flags | NO_WAITING)
