"""The hosts that the service answers for. Names are checked against DNS rebinding: see docs/operations.md."""

import re
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address

from softmaxd.http.operation import Headers

HOST = re.compile(r"(\[[^\]]+\]|[^][:/?#@\s]+)(?::([0-9]*))?")

Parts = tuple[str, str | None]  # name and port


class Hosts:
    """The hosts of the setting `allowed_hosts`: all of them if it is unset."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(map(_parts_of, allowed))

    def allow(self, headers: Headers, *, any_address: bool = False) -> bool:
        """Return whether a request has one of these hosts, with `any_address` also an IP address or localhost."""
        if not self._allowed:
            return True
        name, port = _parts_of(b",".join([value for field, value in headers if field == b"host"]).decode("latin-1"))
        if any_address and is_address(name):
            return True
        return (name, None) in self._allowed or (name, port) in self._allowed


def _parts_of(host: str) -> Parts:
    """Return the name in its one spelling, and the port, None if there is none; no name if it is malformed."""
    found = HOST.fullmatch(host.lower())
    if found is None:
        return "", None
    name = found[1].removesuffix(".")
    with suppress(ValueError):
        name = str(ip_address(name.strip("[]")))
    return name, found[2] or None


def is_loopback(name: str) -> bool:
    """Return True if a host is this machine only."""
    with suppress(ValueError):
        return ip_address(name).is_loopback
    return name == "localhost"


def is_address(name: str) -> bool:
    """Return whether a name is an IP address or localhost: no other site can make a browser send it."""
    with suppress(ValueError):
        ip_address(name)
        return True
    return name == "localhost"
