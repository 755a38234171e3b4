"""The versions of models with their states."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from softmaxd.models.folders import Key, Stamp
from softmaxd.models.model import Model

FALLBACK_DEFAULT = "blobs"

State = Literal["ready", "loading", "rejected", "unloaded"]


@dataclass(frozen=True, slots=True)
class Version:
    """A version folder and its state: with its model if it is ready, else with the reason."""

    name: str
    version: int
    state: State
    reason: str = ""
    model: Model | None = None
    stamp: Stamp = ()
    failures: int = 0  # in a row, for reasons that may pass
    due: float = math.inf  # the time.monotonic() at which its files are tried again, though they did not change


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
