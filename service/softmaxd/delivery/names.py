"""The names of a version's files in a store, and the lists of their checksums, which `sha256sum -c` reads, too.

For version 1 of blobs a store has the archive `blobs-1.tar` and its checksum `blobs-1.tar.sha256`. These two never
change. `blobs.versions` has the checksums of all versions: a web server needs no listing of its files.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from softmaxd.errors import Refused
from softmaxd.models.manifest import NAME, Key
from softmaxd.models.pins import is_version

MAX_LIST_BYTES = 2**20
CHECKSUM = ".sha256"
LINE = re.compile(r"([0-9a-f]{64})  ([^\s/]+)")


class Wanted(NamedTuple):
    """A model and one of its versions; without a number, the newest one."""

    name: str
    version: int | None


class Archive(NamedTuple):
    """One version of a model in a store: these very bytes."""

    name: str
    version: int
    sha256: str

    @property
    def key(self) -> Key:
        """Name and number of the version."""
        return self.name, self.version

    @property
    def file(self) -> str:
        """The name of its file in a store."""
        return file_of(self.name, self.version)

    def folder(self, models_dir: Path) -> Path:
        """Return its folder in a folder of models."""
        return models_dir / self.name / str(self.version)

    @property
    def line(self) -> str:
        """Its line in a list of checksums."""
        return f"{self.sha256}  {self.file}\n"


def file_of(name: str, version: int) -> str:
    """Return the name of an archive's file."""
    return f"{name}-{version}.tar"


def list_of(name: str) -> str:
    """Return the name of the list of a model's versions."""
    return f"{name}.versions"


def wanted(text: str) -> Wanted:
    """Return the version that `NAME` or `NAME:VERSION` names. Raises `ValueError`."""
    name, colon, version = text.partition(":")
    if not re.fullmatch(NAME, name) or (colon and not is_version(version)):
        raise ValueError(f"expected NAME or NAME:VERSION, like blobs:1, not {text!r}")
    return Wanted(name, int(version) if colon else None)


def read_list(content: bytes, place: str) -> list[Archive]:
    """Return the archives of a list of checksums. Raises `Refused` if it is no such list; `place` says where it is."""
    lines = content.decode("utf-8", "replace").splitlines()
    archives = [_read_line(line) for line in lines]
    if not archives or None in archives:
        raise Refused(f"{place} is no list of checksums as softmaxd models push writes it")
    return [archive for archive in archives if archive is not None]


def write_list(archives: Iterable[Archive]) -> bytes:
    """Return a list of checksums, by version."""
    return "".join(archive.line for archive in sorted(archives)).encode("ascii")


def _read_line(line: str) -> Archive | None:
    found = LINE.fullmatch(line)
    name, _, version = found[2].removesuffix(".tar").rpartition("-") if found else ("", "", "")
    if found is None or not found[2].endswith(".tar") or not re.fullmatch(NAME, name) or not is_version(version):
        return None
    return Archive(name, int(version), found[1])
