"""A store in object storage, such as S3, by fsspec: the extra `softmaxd[storage]`.

Keys and endpoints are those of the driver: for S3 the usual variables, such as `AWS_ACCESS_KEY_ID` and
`AWS_ENDPOINT_URL`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from softmaxd.delivery.store import Absent, Broken, Stream, blocks
from softmaxd.errors import Refused, pip_install
from softmaxd.models.files import NotNow

URL = re.compile(r"[a-z][a-z0-9+.-]*://[^:@]+")  # without a chain of drivers, and without a key


class Objects:
    """Objects below a URL like `s3://bucket/folder`."""

    def __init__(self, url: str) -> None:
        scheme = url.partition("://")[0]
        if not URL.fullmatch(url):
            raise Refused(f"{scheme}:// should be followed by a bucket and a folder, without ':' and '@'")
        try:
            files, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise Refused(f"no driver of fsspec for {scheme}:// is installed: {error}") from error
        except ValueError as error:
            raise Refused(f"fsspec knows no {scheme}://; for S3, use {pip_install('s3fs')} and s3://") from error
        self._files: Any = files
        self._url = url.rstrip("/")

    def place(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self._url}/{name}"

    @contextmanager
    def stream(self, name: str, start: int, validator: str | None) -> Iterator[Stream]:
        """Open an object. Raises `Absent`, `Refused` or `Broken`."""
        with self._telling(name):
            status = self._files.info(self._path(name))
            file = self._files.open(self._path(name), "rb")
        total, found = int(status["size"]), status.get("ETag")
        start = start if start <= total and validator in {None, found} else 0
        with file:
            yield Stream(self._chunks(file, name, start, total), start, total, found)

    def names(self) -> list[str]:
        """Return the names of the objects. Raises `Refused` or `Broken`."""
        try:
            with self._telling(""):
                return [path.rpartition("/")[2] for path in self._files.ls(self._root, detail=False)]
        except Absent:  # a folder without objects does not exist
            return []

    def create(self, name: str, path: Path) -> bool:
        """Store a file; return False if the name is taken. Raises `Refused` or `Broken`."""
        with self._writing(name):
            if self._files.exists(self._path(name)):  # not every storage knows exclusive writes
                return False
            try:
                self._files.put_file(str(path), self._path(name), mode="create")
            except FileExistsError:
                return False
        return True

    def write(self, name: str, content: bytes) -> None:
        """Store an object in the place of the one that is there. Raises `Refused` or `Broken`."""
        with self._writing(name):
            self._files.pipe_file(self._path(name), content)

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _chunks(self, file: Any, name: str, start: int, total: int) -> Iterator[bytes]:
        with self._telling(name):
            file.seek(start)
            yield from blocks(file.read, start, total)

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """Turn the exceptions of a driver that writes into those of a store."""
        try:
            with self._telling(name):
                yield
        except Absent as error:
            raise Refused(f"{self.place(name)} cannot be written: there is no such bucket or folder") from error

    @contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        """Turn the exceptions of a driver into those of a store."""
        try:
            yield
        except FileNotFoundError as error:
            raise Absent(f"there is no {self.place(name)}") from error
        except PermissionError as error:
            raise Refused(f"{self.place(name)}: access is denied: {_words(error)}") from error
        except NotNow:  # the time is over
            raise
        except Exception as error:  # each driver has classes of its own for a lost connection
            raise Broken(f"{self.place(name)}: {_words(error)}") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
