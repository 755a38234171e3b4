"""Looks at the models folder: which version folders are there, and what cannot be read."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from softmaxd.errors import ModelError, StartupError
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE, NAME, Key
from softmaxd.models.pins import Pins, is_version, read_pin
from softmaxd.models.places import single_model, single_version
from softmaxd.models.routes import Route, Routes, read_route

WHOLE = ""  # stands for the models folder itself, among the names of the folders in it

Stamp = tuple[tuple[int, int, int] | None, ...]  # of a folder and its files: inode, time and size


@dataclass(frozen=True, slots=True)
class Found:
    """Version folders with their stamps, pins, routes, and the reasons why folders cannot be read, by name."""

    folders: Mapping[Key, tuple[Path, Stamp]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    pins: Pins = field(default_factory=dict)
    routes: Routes = field(default_factory=dict)

    def is_gone(self, key: Key) -> bool:
        """Return True if the folder in which the version was could be read, and the version is not in it."""
        return key not in self.folders and not self.is_away(key[0])

    def is_away(self, name: str) -> bool:
        """Return True if nothing is known about the folder of a model now."""
        return not self.unreadable.keys().isdisjoint({WHOLE, name})

    def versions_of(self, name: str) -> list[int]:
        """Return the versions of a model in the order in which they answer: the pinned one, then the highest ones."""
        numbers = [number for model, number in self.folders if model == name]
        return sorted(numbers, key=lambda number: (number != self.pins.get(name), -number))

    def problems(self) -> list[str]:
        """Return a sentence for each folder that cannot be read; a client may see them."""
        return [
            f"The {f'folder of {name}' if name else 'models folder'} cannot be read: {reason}"
            for name, reason in sorted(self.unreadable.items())
        ]


def look_first(models_dir: Path) -> Found:
    """Return every version folder of every model. Raises `StartupError` if the folder of models cannot be read."""
    found = look(models_dir)
    reason = found.unreadable.get(WHOLE)
    if reason == os.strerror(errno.ENOENT) or reason == os.strerror(errno.ENOTDIR):
        raise StartupError(f"{models_dir} is not a folder; set the folder of models with --models-dir")
    if reason is not None:
        raise StartupError(f"{models_dir} cannot be read: {reason}")
    return found


def look(models_dir: Path) -> Found:
    """Return every version folder of every model, and the folders that cannot be read now."""
    try:
        if (key := single_version(models_dir)) is not None:
            return Found({key: (models_dir, stamp(models_dir))})
        models = _models_of(models_dir)
    except (ModelError, OSError) as error:
        return Found(unreadable={WHOLE: _reason(error)})
    folders: dict[Key, tuple[Path, Stamp]] = {}
    unreadable: dict[str, str] = {}
    pins: dict[str, int] = {}
    routes: dict[str, Route] = {}
    for name, folder in models.items():
        try:
            folders.update(_versions_of(name, folder))
            if (pin := read_pin(folder)) is not None:
                pins[name] = pin
            if (route := read_route(folder)) is not None:
                routes[name] = route
        except ModelError as error:
            unreadable[name] = str(error)
        except OSError as error:
            if re.fullmatch(NAME, name) or error.errno == errno.EILSEQ:  # not lost+found, for one
                unreadable[ascii(name)[1:-1]] = _reason(error)
    return Found(folders, unreadable, pins, routes)


def _models_of(models_dir: Path) -> dict[str, Path]:
    """Return the folders of models by name, sorted. Raises `ModelError` or `OSError`."""
    if (name := single_model(models_dir)) is not None:
        return {name: models_dir}
    return {name: models_dir / name for name in sorted(_names_of_folders(models_dir))}


def _versions_of(name: str, folder: Path) -> Iterator[tuple[Key, tuple[Path, Stamp]]]:
    """Yield the version folders of a model. Raises `OSError` also for a name that no model can have."""
    if not name.isprintable():
        raise OSError(errno.EILSEQ, "no model has a name with such characters")
    for number in filter(is_version, _names_of_folders(folder)):
        yield (name, int(number)), (folder / number, stamp(folder / number))


def _reason(error: ModelError | OSError) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _names_of_folders(folder: Path) -> Iterator[str]:
    """Yield the names of the folders in a folder, but for hidden ones."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and _may_be_folder(entry):
                yield entry.name


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    """Return True for a folder, and for a link that leads nowhere now: its target may be away."""
    try:
        return entry.is_dir() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True


def stamp(folder: Path) -> Stamp:
    """Return a value that changes when the folder or one of its two files is written again."""
    found: list[tuple[int, int, int] | None] = []
    for path in (folder, folder / MANIFEST_FILE, folder / MODEL_FILE):
        try:
            status = path.stat()
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            found.append(None)
    return tuple(found)
