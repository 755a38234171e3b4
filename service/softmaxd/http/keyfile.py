"""Reads the keys of a file, and follows its changes: keys come and go without a restart, in every worker.

Each line has the SHA-256 hash of a key, its scopes and its models: `<sha256> [scope,…] [model,…]`. No message quotes a
line, because somebody may have written a key into one.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from softmaxd.access import SCOPES, Access, Key, Keys
from softmaxd.errors import ModelError, StartupError
from softmaxd.models.aside import start
from softmaxd.models.files import NotNow, read_regular
from softmaxd.models.hidden import UNFINISHED, new_name
from softmaxd.models.manifest import NAME

SECONDS = 0.25  # between two looks; a change counts once two of them agree, or half a file would count
LATE_SECONDS = 5.0  # of one look
MAX_BYTES = 2**20
COPY = "keys"  # in the folder that the workers share

HASH = re.compile("[0-9a-f]{64}")
TOO_MANY = "a line is a hash, its scopes and its models, both with commas and without spaces: <sha256> predict,read a,b"
NO_HASH = "a line begins with the SHA-256 of a key, 64 digits of 0-9 and a-f, as `softmaxd key hash` prints it"
NO_SCOPE = f"after the hash come its scopes, with commas: of {', '.join(SCOPES)}"
NO_MODEL = "after the scopes come names of models, with commas"

logger = logging.getLogger(__name__)


class KeyFile:
    """The keys of a file. While it cannot be used, those that it had before stay valid, also in a new worker.

    `given` are the keys of settings; they come first. Raises `StartupError` if the file cannot be used at the start.
    """

    def __init__(self, path: Path, access: Access, given: Keys, shared_folder: Path | None) -> None:
        self._path = path
        self._access = access
        self._given = given
        self._copy = None if shared_folder is None else shared_folder / COPY
        self._reading: Future[bytes | str] | None = None
        self._taken: bytes | str = self._first()

    def _first(self) -> bytes | str:
        """Use the file, or the copy of a worker that could use it, and return its content or its problem."""
        try:
            content = check_key_file(self._path)
        except StartupError as error:
            if self._copy is None or not self._copy.exists():
                raise
            self._use(self._copy.read_bytes())
            return self._report(str(error))
        self._use(content)
        return content

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Follow the changes of the file meanwhile."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()

    async def _follow(self) -> None:
        last = self._taken
        while True:
            await asyncio.sleep(SECONDS)
            found = await self._look()
            if last == found != self._taken:
                self._taken = self._report(found) if isinstance(found, str) else self._use(found)
            last = found

    async def _look(self) -> bytes | str:
        """Return the content of the file, or the problem with it. A thread that hangs is left behind, but only one."""
        if self._reading is None:
            try:
                self._reading = start(partial(_look_at, self._path))
            except NotNow as error:
                return f"{self._path}: {error}"
        await asyncio.wait([asyncio.wrap_future(self._reading)], timeout=LATE_SECONDS)
        if not self._reading.done():
            return f"{self._path}: it cannot be read within {LATE_SECONDS:g} s"
        reading, self._reading = self._reading, None
        return reading.result()

    def _use(self, content: bytes) -> bytes:
        """Use the keys of this content from now on."""
        keys = parse(content)
        self._access.replace({**keys, **self._given})
        self._access.is_stale = False
        if self._copy is not None:
            with suppress(OSError):  # the folder is away or full: a new worker needs the file itself then
                unfinished = self._copy.with_name(new_name(UNFINISHED))
                unfinished.write_bytes(content)
                unfinished.replace(self._copy)
        log = logger.info if keys else logger.warning
        log("%s has %d %s", self._path, len(keys), "key" if len(keys) == 1 else "keys")
        return content

    def _report(self, problem: str) -> str:
        self._access.is_stale = True
        logger.error("%s; the keys that it had before stay valid", problem)
        return problem


def check_key_file(path: Path) -> bytes:
    """Return the content of a file whose lines are keys. Raises `StartupError`."""
    found = _look_at(path)
    if isinstance(found, str):
        raise StartupError(found)
    return found


def _look_at(path: Path) -> bytes | str:
    """Return the content of a file if its lines are keys, or else the problem with it."""
    try:
        content = read_regular(path, max_bytes=MAX_BYTES)
        parse(content)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (ModelError, ValueError) as error:
        return f"{path}: {error}"
    return content


def parse(content: bytes) -> Keys:
    """Return the keys of a file. Raises `ValueError` with the number of a line that is wrong, and its cure."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8 text") from error
    keys: dict[bytes, Key] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                digest, key = _key_of(*words)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if digest in keys:
                raise ValueError(f"line {number}: this key has a line above; give it one with all its rights")
            keys[digest] = key
    return keys


def _key_of(digest: str, *rights: str) -> tuple[bytes, Key]:
    """Return a key, given the words of its line. Raises `ValueError`."""
    if not HASH.fullmatch(digest):
        raise ValueError(NO_HASH)
    match [words.split(",") for words in rights]:
        case []:
            key = Key()
        case [scopes]:
            key = Key(frozenset(scopes))
        case [scopes, models]:
            key = Key(frozenset(scopes), frozenset(models))
        case _:
            raise ValueError(TOO_MANY)
    if not set(SCOPES).issuperset(key.scopes):
        raise ValueError(NO_SCOPE)
    if not all(re.fullmatch(NAME, model) for model in key.models or ()):
        raise ValueError(NO_MODEL)
    return bytes.fromhex(digest), key
