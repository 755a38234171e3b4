"""Finds the operation of a request target, for the express lane."""

import re
from collections.abc import Iterable
from typing import AnyStr

from softmaxd.http.operation import Operation

MAX_KNOWN_TARGETS = 1024

Target = tuple[Operation, str | None, str | None]  # with the model's name and version


class Targets:
    """Finds the operation of a request target; only for paths in their plainest form."""

    def __init__(self, operations: Iterable[Operation], *, root_path: str = "") -> None:
        self._root_path = root_path.encode()
        self._patterns = [(re.compile(_pattern(operation.path)), operation) for operation in operations]
        self._known: dict[bytes, Target] = {}

    def find(self, target: bytes) -> Target | None:
        """Return the operation of this raw request target with the name and the version in it, or None."""
        known = self._known.get(target)
        if known is None:
            path = route_path(target, self._root_path)
            for pattern, operation in self._patterns:
                if found := pattern.fullmatch(path):
                    known = (operation, *_names(found))
                    if len(self._known) < MAX_KNOWN_TARGETS:
                        self._known[target] = known
                    break
        return known


def path_of(target: Target) -> str:
    """Return the path of a target, below the prefix of the service."""
    operation, name, version = target
    return operation.path.replace("{name}", name or "").replace("{version}", version or "")


def route_path(path: AnyStr, root_path: AnyStr) -> AnyStr:
    """Return a path below the prefix of the service, as Starlette routes it; a proxy may have stripped the prefix."""
    rest = path.removeprefix(root_path)
    return rest if len(rest) < len(path) and rest[:1] in {"", "/", b"", b"/"} else path


def _pattern(path: str) -> bytes:
    """Return a pattern of a path; segments that need unquoting do not match."""
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[\\w.~-]+)", re.escape(path)).encode()


def _names(found: re.Match[bytes]) -> tuple[str | None, str | None]:
    names = {key: value.decode("ascii") for key, value in found.groupdict().items()}
    return names.get("name"), names.get("version")
