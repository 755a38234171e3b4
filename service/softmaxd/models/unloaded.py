"""The models that are unloaded by request."""

import os
from contextlib import suppress
from pathlib import Path

from softmaxd.errors import NotReady


class Unloaded:
    """The names of the models that are unloaded by request, as files in the folder that several workers share."""

    SUFFIX = ".unloaded"

    def __init__(self, shared_folder: Path | None) -> None:
        self._folder = shared_folder
        self._names: set[str] = set()

    def names(self) -> set[str]:
        """Return the names; if the folder cannot be read now, those that were known before."""
        if self._folder is not None:
            with suppress(OSError):
                files = os.listdir(self._folder)
                self._names = {name.removesuffix(self.SUFFIX) for name in files if name.endswith(self.SUFFIX)}
        return self._names

    def add(self, name: str) -> None:
        """Add a name. Raises `NotReady` if the other workers cannot be told."""
        if self._folder is not None:
            try:
                (self._folder / (name + self.SUFFIX)).touch()
            except OSError as error:
                raise NotReady(f"The other workers cannot be told: {error.strerror}") from error
        self._names = {*self._names, name}

    def discard(self, name: str) -> None:
        """Take a name out."""
        if self._folder is not None:
            (self._folder / (name + self.SUFFIX)).unlink(missing_ok=True)
        self._names = self._names - {name}
