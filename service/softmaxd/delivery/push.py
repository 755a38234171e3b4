"""Brings a version from a folder of models into a store. Its archive and its checksum never change there."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from softmaxd.delivery.archive import pack
from softmaxd.delivery.names import CHECKSUM, Archive, Wanted, file_of, list_of, read_list, write_list
from softmaxd.delivery.store import Absent, Shelf
from softmaxd.delivery.transfer import Patience, read_small
from softmaxd.errors import Refused
from softmaxd.models.folders import look_first
from softmaxd.models.hidden import remove_old
from softmaxd.models.manifest import Key
from softmaxd.models.trials import try_out
from softmaxd.os_errors import naming
from softmaxd.settings import Settings

PACKED = "softmaxd-push-"  # begins the name of a temporary file


def push(store: Shelf, wanted: Wanted, settings: Settings, patience: Patience) -> tuple[Archive, bool]:
    """Store a version, or the one that answers for a model; return its archive, and False if it was there already.

    Raises `Refused`, `ModelError` or `OSError`. Readers see a version once all of it is there.
    """
    key, folder = _chosen(wanted, settings)
    with patience.limit(store.place(file_of(*key))):
        try_out(folder, settings)
        with _packed(key, folder) as (archive, path):
            is_new = store.create(archive.file, path)
        if not is_new:
            _check_same(store, archive, patience)
        _list(store, archive, patience)
    return archive, is_new


def _chosen(wanted: Wanted, settings: Settings) -> tuple[Key, Path]:
    """Return the version to push, and its folder. Raises `Refused` or `StartupError`."""
    found = look_first(settings.models_dir)
    versions = found.versions_of(wanted.name)
    key = wanted.name, wanted.version or next(iter(versions), 0)
    if wanted.name in found.unreadable and (key not in found.folders or wanted.version is None):  # its pin is unknown
        raise Refused(f"{settings.models_dir / wanted.name} cannot be read: {found.unreadable[wanted.name]}")
    if key not in found.folders:
        missing = f"{wanted.name} version {key[1]}" if key[1] else f"model {wanted.name}"
        raise Refused(f"{settings.models_dir} has no {missing}")
    return key, found.folders[key][0]


@contextmanager
def _packed(key: Key, folder: Path) -> Iterator[tuple[Archive, Path]]:
    """Give the archive of a version in a temporary file. Those of killed runs are removed. Raises as `pack`."""
    with naming("the temporary folder (TMPDIR)"):
        remove_old(Path(tempfile.gettempdir()).glob(f"{PACKED}*"))
        with tempfile.NamedTemporaryFile(prefix=PACKED) as file:
            archive = Archive(*key, pack(folder, key, file.file))
            file.flush()
            yield archive, Path(file.name)


def _check_same(store: Shelf, archive: Archive, patience: Patience) -> None:
    """Raise `Refused` unless the archive that the store has under this name is the same."""
    found = hashlib.sha256()
    with store.stream(archive.file, 0, None) as stream:
        for chunk in stream.chunks:
            patience.check(store.place(archive.file))
            found.update(chunk)
    if found.hexdigest() != archive.sha256:
        raise Refused(
            f"{store.place(archive.file)} has another content (SHA-256 {found.hexdigest()}, not {archive.sha256}): "
            "versions never change; publish the new content as a new version"
        )


def _list(store: Shelf, archive: Archive, patience: Patience) -> None:
    """Store the checksum of an archive, and the list of all versions, until it has those of other runs, too.

    The list that is written last was complete after it was written, so none is lost, whatever the order of the runs.
    """
    store.write(f"{archive.file}{CHECKSUM}", write_list([archive]))
    while (found := _found(store, archive.name, patience)) != _listed(store, archive.name, patience):
        store.write(list_of(archive.name), found)


def _listed(store: Shelf, name: str, patience: Patience) -> bytes | None:
    """Return the list of versions that the store has."""
    try:
        return read_small(store, list_of(name), patience)
    except Absent:
        return None


def _found(store: Shelf, name: str, patience: Patience) -> bytes:
    """Return the list of the versions whose checksums the store has."""
    files = [file for file in store.names() if file.startswith(f"{name}-") and file.endswith(f".tar{CHECKSUM}")]
    archives = [each for file in files for each in read_list(read_small(store, file, patience), store.place(file))]
    return write_list(each for each in archives if each.name == name)
