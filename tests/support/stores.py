"""Stores with versions in them that nobody has tried."""

from pathlib import Path

from softmaxd.delivery.archive import pack
from softmaxd.delivery.folder import Folder
from softmaxd.delivery.names import CHECKSUM, Archive, list_of, write_list


def put(store: Path, folder: Path) -> Archive:
    """Store a version folder NAME/VERSION as the newest one of its model, and return its archive."""
    store.mkdir(exist_ok=True)
    key = folder.parent.name, int(folder.name)
    with (store / f"{key[0]}-{key[1]}.tar").open("wb") as target:
        archive = Archive(*key, pack(folder, key, target))
    shelf = Folder(store)
    shelf.write(f"{archive.file}{CHECKSUM}", write_list([archive]))
    shelf.write(list_of(archive.name), write_list([archive]))
    return archive
