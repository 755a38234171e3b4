"""A store that is a folder: of this machine, of a shared disk, or the folder that a web server serves."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softmaxd.delivery.store import Absent, Stream, blocks
from softmaxd.models.files import open_regular
from softmaxd.models.hidden import UNFINISHED, new_name, remove_old
from softmaxd.os_errors import naming

NO_LINKS = {
    errno.EPERM,
    errno.ENOTSUP,
    errno.ENOSYS,
}  # of file systems without hard links, such as SMB and some of FUSE


class Folder:
    """Files in a folder. A file that is written has a hidden name until it is complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._folder / name)

    @contextmanager
    def stream(self, name: str, start: int, validator: str | None) -> Iterator[Stream]:
        """Open a file. Raises `Absent`, or `OSError`: no disk gets better by trying again."""
        try:
            file = open_regular(self._folder / name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Absent(f"there is no {self.place(name)}") from error
        with file:
            status = os.fstat(file.fileno())
            found = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
            start = start if start <= status.st_size and validator in {None, found} else 0
            file.seek(start)
            yield Stream(blocks(file.read, start, status.st_size), start, status.st_size, found)

    def names(self) -> list[str]:
        """Return the names of the files. Raises `OSError`."""
        return os.listdir(self._folder)

    def create(self, name: str, path: Path) -> bool:
        """Store a file; return False if the name is taken. Raises `OSError`."""
        with self._unfinished(name) as unfinished:
            shutil.copyfile(path, unfinished)
            try:
                _move(unfinished, self._folder / name)
            except FileExistsError:
                return False
        return True

    def write(self, name: str, content: bytes) -> None:
        """Store a file in the place of the one that is there. Raises `OSError`."""
        with self._unfinished(name) as unfinished:
            unfinished.write_bytes(content)
            unfinished.replace(self._folder / name)

    @contextmanager
    def _unfinished(self, name: str) -> Iterator[Path]:
        """Give a hidden path to write a file to, which is gone afterwards."""
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_old(self._folder.glob(f"{UNFINISHED}*"))
        unfinished = self._folder / new_name(UNFINISHED)
        try:
            with naming(self._folder / name):
                yield unfinished
        finally:
            unfinished.unlink(missing_ok=True)


def _move(source: Path, target: Path) -> None:
    """Give a file its name. Raises `FileExistsError` if that is taken, or `OSError`."""
    try:
        os.link(source, target)  # unlike a rename, it replaces nothing
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):  # another run could take it between this line and the next one
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        source.rename(target)
