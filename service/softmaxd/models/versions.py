"""The versions of models with their states."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from softmaxd.models.folders import Stamp
from softmaxd.models.manifest import Key
from softmaxd.models.model import Model
from softmaxd.models.pins import Pins
from softmaxd.models.routes import ALL, Routes
from softmaxd.models.routing import Routed, follow
from softmaxd.models.shadow import Shadows

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
    `routed` has the versions that take part in the requests to a model with a route.
    """

    chosen: str | None = None
    versions: Mapping[Key, Version] = field(default_factory=dict)
    pins: Pins = field(default_factory=dict)
    routes: Routes = field(default_factory=dict)
    shadows: Shadows = field(default_factory=Shadows)
    current: Mapping[str, Model] = field(init=False)
    routed: Mapping[str, Routed] = field(init=False)
    default: Model | None = field(init=False)

    def __post_init__(self) -> None:
        ready = {key: known.model for key, known in sorted(self.versions.items()) if known.model is not None}
        current = {name: model for (name, _), model in ready.items()}
        current.update((name, ready[name, pin]) for name, pin in self.pins.items() if (name, pin) in ready)
        object.__setattr__(self, "current", current)
        object.__setattr__(self, "default", _default(self.chosen, ready, current))
        object.__setattr__(self, "routed", self._routed(ready))

    def _routed(self, ready: Mapping[Key, Model]) -> Mapping[str, Routed]:
        return {
            name: follow(
                self.routes[name],
                self.current[name],
                {version: model for (other, version), model in ready.items() if other == name},
                partial(self._why_missing, name),
                self.shadows,
            )
            for name in sorted(self.routes.keys() & self.current.keys())
        }

    def choose(self, name: str | None, found: Model, request_id: bytes) -> Model:
        """Return the version for a request that names no version, nor, if `name` is None, a model.

        `found` is the one that answers without a route. A version that the setting `default_model` names has no route.
        """
        routed = None if name is None and "/" in (self.chosen or "") else self.routed.get(found.manifest.name)
        return found if routed is None else routed.choose(request_id)

    def share(self, version: Version) -> float:
        """Return the share of a version of the requests to its model that name no version: 0 to 1."""
        routed = self.routed.get(version.name)
        if routed is not None:
            return routed.shares.get(version.version, 0) / ALL
        return float(version.model is not None and self.current.get(version.name) is version.model)

    def is_shadow(self, version: Version) -> bool:
        """Return True if a version runs the rows of its model beside the one that answers."""
        routed = self.routed.get(version.name)
        return routed is not None and routed.shadow == version.version

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
        """Return a sentence for each pinned version that does not answer, and each that a route names in vain.

        A client may see them.
        """
        pinned = [
            f"Version {pin} of {name} is pinned, but {self._why_missing(name, pin)}; "
            f"version {self.current[name].manifest.version} answers"
            for name, pin in sorted(self.pins.items())
            if name in self.current and self.current[name].manifest.version != pin
        ]
        return [*pinned, *(problem for routed in self.routed.values() for problem in routed.problems)]

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
