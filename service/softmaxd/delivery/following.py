"""Keeps a folder of models up to date with a store: `softmaxd models pull --watch`, beside a replica."""

from collections.abc import Sequence
from time import sleep
from typing import NoReturn

from softmaxd.delivery.names import Archive
from softmaxd.delivery.pull import find, pull
from softmaxd.delivery.store import Rejected, Store
from softmaxd.delivery.transfer import Patience, Tell
from softmaxd.errors import ModelError, Refused
from softmaxd.os_errors import sentence
from softmaxd.settings import Settings


class Follower:
    """Pulls the newest versions. A failure is told when it is new.

    An archive that is published or rejected is not looked at again, until its folder comes or goes.
    """

    def __init__(self, store: Store, settings: Settings, seconds: float, say: Tell, tell: Tell) -> None:
        self._store, self._settings, self._seconds = store, settings, seconds
        self._say, self._tell = say, tell
        self._settled: dict[Archive, bool] = {}  # whether its folder was there
        self._failures: dict[str, str] = {}

    def follow(self, names: Sequence[str], seconds: float) -> NoReturn:
        """Look for new versions again and again, `seconds` after the last time."""
        while True:
            for name in names:
                self.look(name)
            sleep(seconds)

    def look(self, name: str) -> None:
        """Pull the newest version of a model unless it is there."""
        try:
            self._look(name)
        except OSError as error:
            self._fail(name, sentence(error))
        except (Refused, ModelError) as error:
            self._fail(name, str(error))
        else:
            self._failures.pop(name, None)

    def _look(self, name: str) -> None:
        archive = find(self._store, name, None, Patience(self._seconds, lambda _line: None))
        folder = archive.folder(self._settings.models_dir)
        if self._settled.get(archive) is folder.exists():
            return
        try:
            if pull(self._store, archive, self._settings, Patience(self._seconds, self._tell)):
                self._say(f"published {folder}")
        except Rejected:
            self._settled[archive] = folder.exists()
            raise
        self._settled[archive] = True

    def _fail(self, name: str, reason: str) -> None:
        if self._failures.get(name) != reason:
            self._tell(reason)
        self._failures[name] = reason
