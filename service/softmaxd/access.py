"""Who may do what: keys that clients send as `Authorization: Bearer KEY`, of which only the hashes are known here."""

import hashlib
import hmac
from collections.abc import Iterable

from softmaxd.errors import Forbidden, Unauthorized
from softmaxd.http.operation import Headers

BEARER = b"bearer "


def check_admin(headers: Headers, admin_keys: Iterable[str]) -> None:
    """Raise `Forbidden` when no admin key is configured at all, `Unauthorized` when the request has none of them.

    `admin_keys` are SHA-256 hashes in hexadecimal.
    """
    hashes = list(admin_keys)
    if not hashes:
        raise Forbidden("This is only possible with an admin key, and none is configured")
    given = next((value for name, value in headers if name == b"authorization"), b"")
    key = given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else b""
    digest = hashlib.sha256(key).hexdigest()
    if not any(hmac.compare_digest(digest, known) for known in hashes):
        raise Unauthorized("An admin key is needed: send the header 'Authorization: Bearer KEY'")
