"""The versions of models with their states."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from softmaxd.models.folders import Stamp
from softmaxd.models.manifest import Key
from softmaxd.models.model import Model
from softmaxd.models.pins import Pins

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
    """All versions at one moment; a change makes a new catalogue.

    `chosen` is the configured default: a model, or one version of it, like `blobs/1`. `current` has the version that
    answers for the name of a model: the pinned one, or the highest one if none is pinned or that one is not ready.
    """

    chosen: str | None = None
    versions: Mapping[Key, Version] = field(default_factory=dict)
    pins: Pins = field(default_factory=dict)
    current: Mapping[str, Model] = field(init=False)
    default: Model | None = field(init=False)

    def __post_init__(self) -> None:
        ready = {key: known.model for key, known in sorted(self.versions.items()) if known.model is not None}
        current = {name: model for (name, _), model in ready.items()}
        current.update((name, ready[name, pin]) for name, pin in self.pins.items() if (name, pin) in ready)
        object.__setattr__(self, "current", current)
        object.__setattr__(self, "default", _default(self.chosen, ready, current))

    def sorted(self) -> list[Version]:
        """Return every version, by name, then by version."""
        return [self.versions[key] for key in sorted(self.versions)]

    def of(self, name: str) -> list[Version]:
        """Return the versions of a model, the highest last."""
        return [version for version in self.sorted() if version.name == name]

    def is_pinned(self, version: Version) -> bool:
        """Return True if a version is the pinned one of its model."""
        return self.pins.get(version.name) == version.version

    def problems(self) -> list[str]:
        """Return a sentence for each pinned version that does not answer; a client may see them."""
        return [
            f"Version {pin} of {name} is pinned, but {self._why_missing(name, pin)}; "
            f"version {self.current[name].manifest.version} answers"
            for name, pin in sorted(self.pins.items())
            if name in self.current and self.current[name].manifest.version != pin
        ]

    def _why_missing(self, name: str, version: int) -> str:
        found = self.versions.get((name, version))
        return "there is no such version" if found is None else f"it is {found.state}"

    def swapped(self, key: Key, version: Version | None) -> "Catalogue":
        """Return a catalogue with a version in the place of the old one, or without it."""
        versions = {other: known for other, known in self.versions.items() if other != key}
        if version is not None:
            versions[key] = version
        return replace(self, versions=versions)


def _default(chosen: str | None, ready: Mapping[Key, Model], current: Mapping[str, Model]) -> Model | None:
    if chosen is not None:
        name, _, version = chosen.partition("/")
        return ready.get((name, int(version))) if version else current.get(name)
    return next(iter(current.values())) if len(current) == 1 else current.get(FALLBACK_DEFAULT)
