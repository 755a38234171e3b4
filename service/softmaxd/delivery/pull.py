"""Brings a version from a store into a folder of models: checked, tried, and then published under its own number."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from softmaxd.delivery.archive import checksum, unpack
from softmaxd.delivery.names import CHECKSUM, Archive, file_of, list_of, read_list
from softmaxd.delivery.store import Rejected, Store
from softmaxd.delivery.transfer import Patience, TimeIsOver, read_small, receive
from softmaxd.errors import ModelError, Refused
from softmaxd.models.files import NotNow
from softmaxd.models.hidden import PULLED, UNFINISHED, remove_leftovers
from softmaxd.models.places import refuse_single
from softmaxd.models.publishing import version_of
from softmaxd.models.trials import try_out
from softmaxd.os_errors import naming
from softmaxd.settings import Settings


def find(store: Store, name: str, version: int | None, patience: Patience) -> Archive:
    """Return the archive of a version in a store, or of the newest one. Raises `Refused`, `ModelError` or `OSError`."""
    file = list_of(name) if version is None else f"{file_of(name, version)}{CHECKSUM}"
    with patience.limit(store.place(file)):
        archives = read_list(read_small(store, file, patience), store.place(file))
    newest = max(archives)
    if newest.name != name or version not in {None, newest.version}:
        raise Refused(f"{store.place(file)} has the checksum of {newest.file}")
    return newest


def pull(store: Store, archive: Archive, settings: Settings, patience: Patience) -> bool:
    """Publish an archive in the folder of models; return False if the version is there already.

    Raises `Rejected`, `Refused`, `ModelError` or `OSError`; no version is there then. After a `NotNow`, or when the
    process is ended, the bytes that came are kept for the next try.
    """
    refuse_single(settings.models_dir)
    folder = archive.folder(settings.models_dir)
    if _is_there(folder, archive):
        return False
    place = store.place(archive.file)
    with patience.limit(place), _arriving(folder.parent, archive) as file:
        if _is_there(folder, archive):  # another run has published it while this one waited
            return False
        receive(store, archive, file, patience)
        with version_of(settings.models_dir, archive.name, archive.version, _prefix(archive)) as staged:
            try:
                unpack(file, archive.key, staged)
                try_out(staged, settings)
            except TimeIsOver:  # it names the place
                raise
            except NotNow as error:
                raise NotNow(f"{place}: {error}") from error
            except (Refused, ModelError) as error:
                raise Rejected(f"{place} is refused: {error}") from error
    return True


def _is_there(folder: Path, archive: Archive) -> bool:
    """Return True if the version is there with the same content. Raises `Rejected` if it has another one."""
    if not os.path.lexists(folder):  # a link that leads nowhere is there, too
        return False
    found = checksum(folder, archive.key)
    if found != archive.sha256:
        raise Rejected(
            f"{folder} has another content (SHA-256 {found}, not {archive.sha256}): versions never change; "
            "publish the new content as a new version"
        )
    return True


@contextmanager
def _arriving(folder: Path, archive: Archive) -> Iterator[IO[bytes]]:
    """Give the file for an archive that arrives, with the bytes that an earlier run has left; others wait meanwhile.

    It stays if another try may help, and goes in any other case.
    """
    path = folder / f"{PULLED}{archive.sha256}"
    with _locked(path, archive) as file:
        try:
            with naming(path):
                yield file
        except (NotNow, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            _remove(path)
            raise
        _remove(path)


def _locked(path: Path, archive: Archive) -> IO[bytes]:
    """Open a file, and wait until no other run has it. Raises `Refused` or `OSError`."""
    import fcntl  # noqa: PLC0415 - Windows has no such module

    while True:
        file = _open(path)
        is_locked = False
        try:
            with suppress(OSError):  # a file system without locks: two runs at once would spoil the file, and refuse it
                fcntl.flock(file, fcntl.LOCK_EX)
                is_locked = True
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                    os.utime(file.fileno())  # it is asked for
                    _tidy(path.parent, _prefix(archive) if is_locked else None)
                    return file
        except BaseException:
            file.close()
            raise
        file.close()  # the run before has removed it: bytes in it would be lost


def _open(path: Path) -> IO[bytes]:
    """Open a file, or make it. Raises as `_open_regular`."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another run has removed the folder in between
            return open(path, "a+b", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    """Open a file to write. Raises `Refused` if it is no regular file, or `OSError`.

    No link is followed: it could lead to a file that is not ours to change.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"{path} is no regular file")
    return descriptor


def _tidy(folder: Path, prefix: str | None) -> None:
    """Remove leftovers of killed runs: old ones, and those with this prefix, whose runs had the lock."""
    remove_leftovers(folder.parent)
    for path in folder.glob(f"{prefix}*") if prefix else ():
        shutil.rmtree(path, ignore_errors=True)


def _prefix(archive: Archive) -> str:
    """Return the beginning of the hidden name under which an archive is unpacked."""
    return f"{UNFINISHED}{archive.sha256}-"


def _remove(path: Path) -> None:
    """Remove a file, and its folder if nothing else is in it."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # the model has versions
        path.parent.rmdir()
