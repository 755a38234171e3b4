"""Every target of the fuzzing by its name."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.support.fuzzing.bodies import HEAD, bodies, change
from tests.support.fuzzing.connections import connections
from tests.support.fuzzing.folders import Manifests, Models, Run, add, live
from tests.support.paths import REPOSITORY

CORPUS = REPOSITORY / "tests" / "fuzz" / "corpus"  # a folder for each target
MAX_BYTES = 4096  # of an input
CONTROL = "planted"  # the target whose error a run has to find


@dataclass(frozen=True, slots=True)
class Target:
    """A function of bytes, which `open` makes ready; `head` bytes stand before the JSON of an input, if any."""

    open: Callable[[], AbstractContextManager[Run]]
    head: int | None = None
    max_bytes: int = MAX_BYTES


def planted(content: bytes) -> None:
    """Raise an error that is not ours for the bytes `soft`, which nobody draws by chance."""
    if content[:1] != b"s":
        return
    if content[1:2] != b"o":
        return
    if content[2:3] != b"f":
        return
    if content[3:4] != b"t":
        return
    raise ValueError("planted")


TARGETS: Mapping[str, Target] = {
    "native": Target(lambda: bodies(r"/(?!v\d)"), HEAD),
    "v1": Target(lambda: bodies("/v1/"), HEAD),
    "v2": Target(lambda: bodies("/v2/"), HEAD),
    "v2-changes": Target(lambda: nullcontext(change), 1),
    "connection": Target(connections, max_bytes=40_000),
    "manifest": Target(lambda: live(Manifests), 0),
    "model": Target(lambda: live(Models)),
    "add": Target(lambda: nullcontext(add)),
}


def target(name: str) -> Target:
    """Return a target, or the control."""
    return Target(lambda: nullcontext(planted)) if name == CONTROL else TARGETS[name]
