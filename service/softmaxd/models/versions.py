"""Version folders on disk, and their states."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from softmaxd.errors import StartupError
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE
from softmaxd.models.model import Model

FALLBACK_DEFAULT = "blobs"
MAX_DIGITS = 18  # of a version: far fewer than Python reads as a number

Key = tuple[str, int]  # name and version
State = Literal["ready", "loading", "rejected", "unloaded"]
Stamp = tuple[tuple[int, int, int] | None, ...]  # of a folder and its files: inode, time and size


@dataclass(frozen=True, slots=True)
class Version:
    """A version folder and its state: with its model if it is ready, else with the reason."""

    name: str
    version: int
    state: State
    reason: str = ""
    model: Model | None = None
    stamp: Stamp = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All versions at one moment; a change makes a new catalogue."""

    versions: Mapping[Key, Version] = field(default_factory=dict)
    newest: Mapping[str, Model] = field(default_factory=dict)  # the highest version that is ready, by name
    default: str | None = None

    def sorted(self) -> list[Version]:
        """Return every version, by name, then by version."""
        return [self.versions[key] for key in sorted(self.versions)]

    def of(self, name: str) -> list[Version]:
        """Return the versions of a model, the highest last."""
        return [version for version in self.sorted() if version.name == name]

    def swapped(self, key: Key, version: Version | None, chosen: str | None) -> "Catalogue":
        """Return a catalogue with a version in the place of the old one, or without it.

        `chosen` is the configured default model.
        """
        versions = {other: known for other, known in self.versions.items() if other != key}
        if version is not None:
            versions[key] = version
        newest = {name: known.model for (name, _), known in sorted(versions.items()) if known.model is not None}
        return Catalogue(versions, newest, _default(chosen, newest))


def _default(chosen: str | None, newest: Mapping[str, Model]) -> str | None:
    if chosen is not None:
        return chosen if chosen in newest else None
    if len(newest) == 1:
        return next(iter(newest))
    return FALLBACK_DEFAULT if FALLBACK_DEFAULT in newest else None


def check_folder(models_dir: Path) -> None:
    """Raise `StartupError` if the folder of models does not exist."""
    if not models_dir.is_dir():
        raise StartupError(f"{models_dir} is not a folder; set the folder of models with --models-dir")


def is_version(text: str) -> bool:
    """Return True if a text is the number of a version, in the one form that it has."""
    return len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal() and not text.startswith("0")


def version_folders(models_dir: Path) -> Iterable[tuple[Key, Path]]:
    """Yield name and version of every version folder, and the folder."""
    for folder in models_dir.glob("[!.]*/*"):
        if is_version(folder.name) and folder.is_dir():
            yield (folder.parent.name, int(folder.name)), folder


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
