"""A version folder as one file: a tar whose bytes follow from the files of the folder alone.

Times, owners and modes are constants, and the files are in the order of their names. So the same version has the same
SHA-256 wherever it is packed, and a tar with anything else in it, such as a link, is not the one that packing gives.
Nothing is compressed: the bytes would depend on the compressor, and a small archive could unpack to a huge one.
"""

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from softmaxd.delivery.store import blocks
from softmaxd.errors import Refused
from softmaxd.models.files import open_regular
from softmaxd.models.manifest import Key

MAX_FILES = 100
MAX_ARCHIVE_BYTES = 2**30  # the largest model and the largest manifest together have little more than half of it
FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def pack(folder: Path, key: Key, target: IO[bytes]) -> str:
    """Write the folder of a version as an archive; return its SHA-256. `key` has the version's name and number.

    Hidden files and folders in it are left out, as by `models copy`. Raises `Refused`, `ModelError` or `OSError`.
    """
    output = _Hashed(target)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if len(paths) > MAX_FILES:
        raise Refused(f"{folder} has more than {MAX_FILES} files")
    file = cast(IO[bytes], output)  # it is only written
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for path in paths:
            if not FILE.fullmatch(path.name):
                raise Refused(f"{path}: its name should have at most 100 letters, digits, '.', '_' and '-'")
            with open_regular(path) as content:
                member = tarfile.TarInfo(f"{_prefix(key)}{path.name}")
                member.size = path.stat().st_size
                tar.addfile(member, content)
    if output.size > MAX_ARCHIVE_BYTES:
        raise Refused(f"{folder} has more than the {MAX_ARCHIVE_BYTES} bytes that a version may have")
    return output.digest.hexdigest()


def checksum(folder: Path, key: Key) -> str:
    """Return the SHA-256 of the archive of a version folder. Raises as `pack`."""
    with open(os.devnull, "wb") as nowhere:
        return pack(folder, key, nowhere)


def unpack(source: IO[bytes], key: Key, folder: Path) -> None:
    """Write the files of an archive into a new folder. Raises `Refused` unless `pack` makes the same archive of them.

    Some files may be there then.
    """
    prefix = _prefix(key)
    source.seek(0)
    try:
        for member in _members(source, prefix):
            with open(folder / member.name.removeprefix(prefix), "xb") as file:
                file.writelines(blocks(source.read, 0, member.size))
    except tarfile.TarError as error:
        raise Refused(f"it is no tar: {error}") from error
    except FileExistsError as error:
        raise Refused(f"it has the file {Path(error.filename).name} twice") from error
    source.seek(0)
    if checksum(folder, key) != hashlib.file_digest(source, "sha256").hexdigest():  # type: ignore[arg-type] # any file does
        raise Refused("it has other bytes than softmaxd models push writes for the same files")


def _prefix(key: Key) -> str:
    """Return the folder of a version in its archive, so that `tar -x` in a folder of models puts it in its place."""
    name, version = key
    return f"{name}/{version}/"


def _members(source: IO[bytes], prefix: str) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive: the content of each is to be read before the next one.

    Only the headers that `pack` writes are read, one by one. `tarfile.open` would also follow those of other formats,
    whose names may be as large as the archive. Raises `TarError`, or `Refused` for a member that is no file of the
    version's own folder.
    """
    count = 0
    while (header := source.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
        member = tarfile.TarInfo.frombuf(header, "ascii", "replace")
        if member.type != tarfile.REGTYPE:
            raise Refused(f"{member.name} in it is no regular file")
        if not member.name.startswith(prefix) or not FILE.fullmatch(member.name.removeprefix(prefix)):
            raise Refused(f"{member.name} in it is not a file of {prefix}")
        count += 1
        if count > MAX_FILES:
            raise Refused(f"it has more than {MAX_FILES} files")
        yield member
        source.seek(-member.size % tarfile.BLOCKSIZE, os.SEEK_CUR)


class _Hashed:
    """A file that is written, and hashed on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.size += len(content)
        return self._file.write(content)
