"""The folder in memory that the workers of one service share. One that a killed service left behind is removed."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from softmaxd.errors import StartupError

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder in it
PREFIX = "softmaxd-"

logger = logging.getLogger(__name__)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Give a new folder to the workers of this service, and remove it in the end. Raises `StartupError`."""
    parent = SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
    remove_leftovers(parent)
    try:
        folder, descriptor = _new_folder(parent)
    except OSError as error:
        raise StartupError(f"cannot make a folder for the workers in {parent}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def hold(folder: Path) -> int:
    """Mark a folder as used, until the returned descriptor is closed or the process ends. Raises `OSError`."""
    import fcntl  # noqa: PLC0415 - Windows has no such module

    descriptor = _open(folder)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def remove_leftovers(parent: Path) -> None:
    """Remove the folders of our own that no process holds any more."""
    import fcntl  # noqa: PLC0415 - Windows has no such module

    for folder in parent.glob(f"{PREFIX}[0-9]*-*"):
        with suppress(OSError):  # it is used, somebody else's, or gone by now
            descriptor = _open(folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.geteuid() and not _is_other(folder.name.split("-")[1]):
                    shutil.rmtree(folder)
                    logger.info("removed %s, which a killed service left behind", folder)
            finally:
                os.close(descriptor)


def _new_folder(parent: Path) -> tuple[Path, int]:
    """Return a new folder that is held."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
        with suppress(FileNotFoundError):  # another start took it for a leftover before it was held
            descriptor = hold(folder)
            if os.fstat(descriptor).st_nlink:
                return folder, descriptor
            os.close(descriptor)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)


def _is_other(process: str) -> bool:
    """Return True if another living process has this id: a service that holds nothing may be of an older version."""
    if int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        pass
    return True
