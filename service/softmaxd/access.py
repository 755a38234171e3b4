"""Finds the rights of a request by the key in its headers. The service knows keys only by their SHA-256 hashes.

A key is found by its hash. Nobody can make a key whose hash is close to that of another one, so the time that it takes
to find a key, or to find none, tells nothing about the keys.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from softmaxd.errors import Forbidden, Unauthorized

Scope = Literal["predict", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
BEARER = b"bearer "
HOW = "send the header 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"

Headers = Iterable[tuple[bytes, bytes]]  # of a request, names in lower case


@dataclass(frozen=True, slots=True)
class Key:
    """The rights of a key."""

    scopes: Collection[str] = ("predict", "read")
    models: Collection[str] | None = None  # None: all of them

    def may_use(self, model: str) -> bool:
        """Return True if the key is for this model."""
        return self.models is None or model in self.models


ANYONE = Key()  # of a request, where no key is needed
NOBODY = Key((), ())

Keys = Mapping[bytes, Key]  # by the SHA-256 hash of a key


@dataclass(slots=True)
class Access:
    """The keys of the service. With `is_open`, anybody may predict and read without one."""

    keys: Keys
    is_open: bool
    is_stale: bool = False  # True while new keys cannot be read
    on_change: list[Callable[[], None]] = field(default_factory=list)  # called after a change of the keys

    def replace(self, keys: Keys) -> None:
        """Use these keys from now on; only in the thread that answers requests."""
        self.keys = keys
        for forget in self.on_change:
            forget()

    def check(self, headers: Headers, scope: Scope, model: str | None = None) -> Key:
        """Return the rights of a request that is allowed.

        Raises `Unauthorized` without a known key, and `Forbidden` for a key without this scope or this model, and for
        all changes if no key may make any.
        """
        if scope == "admin" and not any(scope in key.scopes for key in self.keys.values()):
            raise Forbidden("This is only possible with an admin key, and none is configured")
        if self.is_open and scope != "admin":
            return ANYONE
        given = key_in(headers)
        if not given:
            raise Unauthorized(f"A key is needed: {HOW}")
        key = self.keys.get(hash_of(given))
        if key is None:
            raise Unauthorized("The service does not know this key, or not any more")
        if scope not in key.scopes:
            raise Forbidden(f"This key does not have the scope {scope}, which this needs")
        if model is not None:
            check_model(key, model)
        return key

    def rights(self, headers: Headers) -> Key:
        """Return the rights of a request whose scope has been checked."""
        return ANYONE if self.is_open else self.keys.get(hash_of(key_in(headers)), NOBODY)


def check_model(key: Key, model: str) -> None:
    """Raise `Forbidden` if a key is not for this model, whether there is such a model or not."""
    if not key.may_use(model):
        raise Forbidden("This key is not for this model")


def key_in(headers: Headers) -> bytes:
    """Return the key of a request: `X-API-Key`, or else the one of `Authorization: Bearer`; empty if it has none."""
    bearer = b""
    for name, value in headers:
        if name == b"x-api-key":
            return value.strip()
        if name == b"authorization" and not bearer and value[: len(BEARER)].lower() == BEARER:
            bearer = value[len(BEARER) :].strip()
    return bearer


def hash_of(key: bytes) -> bytes:
    """Return the SHA-256 hash of a key: 32 bytes."""
    return hashlib.sha256(key).digest()
