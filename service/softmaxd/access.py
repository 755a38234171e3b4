"""Checks the keys that clients send as `Authorization: Bearer KEY`; the service knows only their hashes."""

import hashlib
import hmac
from collections.abc import Iterable

from softmaxd.errors import Forbidden, Unauthorized

BEARER = b"bearer "


def check_admin(headers: Iterable[tuple[bytes, bytes]], admin_keys: Iterable[str]) -> None:
    """Raise `Forbidden` if no admin key is configured, `Unauthorized` if the request has none of them.

    `headers` have names in lower case; `admin_keys` are SHA-256 hashes in hexadecimal.
    """
    hashes = list(admin_keys)
    if not hashes:
        raise Forbidden("This is only possible with an admin key, and none is configured")
    given = next((value for name, value in headers if name == b"authorization"), b"")
    key = given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else b""
    digest = hashlib.sha256(key).hexdigest()
    if not any(hmac.compare_digest(digest, known) for known in hashes):
        raise Unauthorized("An admin key is needed: send the header 'Authorization: Bearer KEY'")
