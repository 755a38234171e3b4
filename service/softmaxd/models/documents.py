"""Reads the files of a version folder for a client: its card, the pictures of that, and its manifest as it stands."""

import asyncio
import os
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from softmaxd.errors import ModelError, NotReady, ServiceError
from softmaxd.models.aside import start
from softmaxd.models.files import NotNow, read_regular
from softmaxd.models.manifest import Key
from softmaxd.models.model import Model
from softmaxd.models.places import find_folder

MAX_BYTES = 16 * 2**20
NONE = "This version has no such file"
NOT_REGULAR = f"This file is no regular file, or it has more than {MAX_BYTES} bytes"


class DocumentNotFound(ServiceError):
    """There is no such file with this version, or it cannot be read."""

    status = 404


class Documents:
    """Reads one file at a time, in a thread that nobody waits for longer than `seconds`: the folder may hang.

    A thread that hangs is left behind, and no other one starts before it ends.
    """

    def __init__(self, models_dir: Path, seconds: float) -> None:
        self._models_dir = models_dir
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._last: Future[bytes | str] | None = None

    async def read(self, model: Model, name: str) -> bytes:
        """Return a file of the folder of a version. Raises `DocumentNotFound`, or `NotReady` if it takes too long."""
        key = model.manifest.name, model.manifest.version
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                if self._last is not None:
                    await _end(self._last)
                self._last = start(partial(_read, self._models_dir, key, name))
                found = await _end(self._last)
        except TimeoutError as error:
            late = f"The folder of this version cannot be read: it took more than {self._seconds:g} s (scan_timeout)"
            raise NotReady(late) from error
        except NotNow as error:
            raise NotReady(f"The folder of this version cannot be read: {error}") from error
        if isinstance(found, str):
            raise DocumentNotFound(found)
        return found


async def _end(future: Future[bytes | str]) -> bytes | str:
    """Wait for the end of a read, and leave it alone if nobody waits any more."""
    await asyncio.wait([asyncio.wrap_future(future)])
    return future.result()


def _read(models_dir: Path, key: Key, name: str) -> bytes | str:
    """Return a file that lies in the folder of a version, also behind a link, or the reason why there is none."""
    try:
        folder = find_folder(models_dir, key)
        path = Path(os.path.realpath(folder / name, strict=True))
        return read_regular(path, max_bytes=MAX_BYTES) if path.is_relative_to(os.path.realpath(folder)) else NONE
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last one: no file has such a name
        return NONE
    except OSError as error:
        return f"This file cannot be read: {error.strerror}"
    except ModelError:
        return NOT_REGULAR
