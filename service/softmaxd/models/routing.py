"""Chooses the version that answers a request to a model with a route."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from softmaxd.models.model import Model
from softmaxd.models.routes import ALL, Route, percent, why_no_shadow, why_no_share
from softmaxd.models.shadow import Shadows

Missing = Callable[[int], str]  # says why a version does not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The versions of a model that take part in its requests.

    `shares` has the ten-thousandths of all that answer, by version. `chosen` has a model for each share but that of
    `rest`, the version that answers for the name, with the place where its share ends. `problems` has a sentence for
    each part of the route that cannot be given.
    """

    name: str
    chosen: tuple[tuple[int, Model], ...]
    rest: Model
    shares: Mapping[int, int]
    shadow: int | None
    problems: tuple[str, ...]

    def choose(self, request_id: bytes) -> Model:
        """Return the version for a request: always the same for the same id and route, in every process."""
        place = place_of(self.name, request_id)
        return next((model for end, model in self.chosen if place < end), self.rest)


def place_of(name: str, request_id: bytes) -> int:
    """Return a number from 0 to `ALL` - 1 that a request id has for a model; the numbers of many ids are uniform."""
    digest = blake2b(b"%s/%s" % (name.encode(), request_id), digest_size=8).digest()
    return int.from_bytes(digest) % ALL


def follow(route: Route, answering: Model, ready: Mapping[int, Model], missing: Missing, shadows: Shadows) -> Routed:
    """Return the versions that take part by a route; `ready` are those of the model, by number."""
    name, current = answering.key
    problems: list[str] = []

    def find(version: int, part: str, fits: Callable[[Model], str]) -> Model | None:
        found = ready.get(version)
        reason = missing(version) if found is None else fits(found)
        if reason:
            problems.append(f"Version {version} of {name} should {part}, but {reason}")
        return None if reason else found

    shares, models = {}, {}
    for version, share in route.shares:
        part = f"answer {percent(share)} of its requests"
        model = find(version, part, lambda other: why_no_share(answering.manifest, other.manifest))
        if model is not None and model is not answering:
            shares[version], models[version] = share, model
    shadow = None
    if route.shadow is not None:
        shadow = find(route.shadow, "be its shadow", lambda other: _why_no_shadow(answering, other))

    def shadowed(model: Model) -> Model:
        return model if shadow is None or shadow is model else shadows.beside(model, shadow)

    return Routed(
        name=name,
        chosen=tuple(_ends(shares, {version: shadowed(model) for version, model in models.items()})),
        rest=shadowed(answering),
        shares={current: ALL - sum(shares.values())} | shares,
        shadow=None if shadow is None else shadow.manifest.version,
        problems=tuple(problems),
    )


def _why_no_shadow(answering: Model, other: Model) -> str:
    return "it answers itself" if other is answering else why_no_shadow(answering.manifest, other.manifest)


def _ends(shares: Mapping[int, int], models: Mapping[int, Model]) -> Iterator[tuple[int, Model]]:
    end = 0
    for version, share in shares.items():
        end += share
        yield end, models[version]
