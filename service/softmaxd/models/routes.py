"""The route of a model: a small file in its folder that lets other versions take part in its requests.

A line `2 10%` gives version 2 that share of the requests that name no version. A line `3 shadow` lets version 3 run
their rows, too, beside the version that answers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from softmaxd.errors import ModelError
from softmaxd.models.features import Feature
from softmaxd.models.files import read_regular
from softmaxd.models.hidden import ROUTED, write_small
from softmaxd.models.manifest import Manifest
from softmaxd.models.pins import is_version

ROUTE_FILE = "route"
ALL = 10_000  # a share is a number of ten-thousandths
SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%")
SHADOW = "shadow"
MAX_BYTES = 1024
MAX_SHARES = 32  # fit in these bytes


@dataclass(frozen=True, slots=True)
class Route:
    """The shares of other versions, as pairs of version and ten-thousandths, and the version that is the shadow."""

    shares: tuple[tuple[int, int], ...] = ()
    shadow: int | None = None

    def __str__(self) -> str:
        shares = [f"{percent(share)} to version {version}" for version, share in self.shares]
        return ", ".join(shares + ([] if self.shadow is None else [f"version {self.shadow} as a shadow"]))

    @property
    def versions(self) -> list[int]:
        """The versions in the route, each once."""
        shadow = [] if self.shadow is None else [self.shadow]
        return list(dict.fromkeys([*(version for version, _ in self.shares), *shadow]))

    def problem(self) -> str:
        """Return the reason why no model can have this route, or an empty text."""
        versions = [version for version, _ in self.shares]
        total = sum(share for _, share in self.shares)
        if len(versions) > MAX_SHARES:
            return f"{len(versions)} versions have a share, more than {MAX_SHARES}"
        if total > ALL:
            return f"the shares are {percent(total)} together, more than 100%"
        twice = next((version for version in versions if versions.count(version) > 1), None)
        return "" if twice is None else f"version {twice} has two shares"

    def marks(self, version: int) -> list[str]:
        """Return a few characters about each part that a version has in the route."""
        shares = [percent(share) for other, share in self.shares if other == version]
        return shares + ([SHADOW] if version == self.shadow else [])


Routes = Mapping[str, Route]  # by name of the model


def percent(share: int) -> str:
    """Return a share as a text, like `2.5%`."""
    return f"{share / 100:g}%"


def share_of(text: str) -> int | None:
    """Return the share that a text like `2.5%` stands for, in ten-thousandths; None for 0, and for another text."""
    found = SHARE.fullmatch(text)
    share = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else 0
    return share if 0 < share <= ALL else None


def read_route(folder: Path) -> Route | None:
    """Return the route of a model's folder, if any. Raises `ModelError` for another content, or `OSError`."""
    try:
        text = read_regular(folder / ROUTE_FILE, max_bytes=MAX_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    route = _parsed(text.split("\n"))
    if problem := route.problem():
        raise ModelError(f"{ROUTE_FILE}: {problem}")
    return route


def _parsed(lines: Sequence[str]) -> Route:
    shares: list[tuple[int, int]] = []
    shadow = None
    for number, line in enumerate(lines, start=1):
        version, _, part = line.partition(" ")
        share = share_of(part)
        if is_version(version) and share is not None:
            shares.append((int(version), share))
        elif is_version(version) and part == SHADOW and shadow is None:
            shadow = int(version)
        elif line:
            raise ModelError(f"line {number} of {ROUTE_FILE} should be like 2 10% or, once, like 3 shadow")
    return Route(tuple(shares), shadow)


def write_route(folder: Path, route: Route) -> None:
    """Give a model's folder a route. Readers see the old one or the new one. Raises `OSError`."""
    lines = [f"{version} {percent(share)}\n" for version, share in route.shares]
    shadow = [] if route.shadow is None else [f"{route.shadow} {SHADOW}\n"]
    write_small(folder / ROUTE_FILE, "".join(lines + shadow), ROUTED)


def remove_route(folder: Path) -> None:
    """Let one version of a model's folder answer all requests again. Raises `OSError`."""
    (folder / ROUTE_FILE).unlink(missing_ok=True)


def why_no_shadow(answering: Manifest, other: Manifest) -> str:
    """Return why a version cannot run the rows of another one, or an empty text."""
    is_same = _kinds(answering) == _kinds(other)
    return "" if is_same else f"its features differ from those of version {answering.version}"


def why_no_share(answering: Manifest, other: Manifest) -> str:
    """Return why a version must not answer some of the requests to another one, or an empty text.

    A client must get the same kind of answer from both: it reads the order of the labels only once.
    """
    if reason := why_no_shadow(answering, other):
        return reason
    if answering.labels != other.labels:
        return f"its labels, or their order, differ from those of version {answering.version}"
    has_less = answering.calibration is not None and (
        other.calibration is None or (answering.calibration.by_label is not None and other.calibration.by_label is None)
    )
    return f"its calibration data lack some that version {answering.version} has" if has_less else ""


def _kinds(manifest: Manifest) -> tuple[str, list[Feature]]:
    """Return all that decides which rows are valid, and their arrays."""
    unknown = {"min": None, "max": None}
    known = [feature.model_copy(update=unknown) for feature in manifest.features]
    return manifest.datatype, [
        feature if feature.only_categories else feature.model_copy(update={"categories": ()}) for feature in known
    ]
