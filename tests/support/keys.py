"""Keys for tests, and their hashes."""

import hashlib
from pathlib import Path

FIRST, SECOND, READER, ONLY_BLOBS, ADMIN = (
    f"{name}-key-for-tests" for name in ("first", "second", "read", "b", "admin")
)


def hashed(key: str) -> str:
    """Return the SHA-256 hash of a key in hexadecimal."""
    return hashlib.sha256(key.encode()).hexdigest()


def bearer(key: str) -> dict[str, str]:
    """Return the header with a key."""
    return {"Authorization": f"Bearer {key}"}


def write_keys(file: Path, *lines: str) -> Path:
    """Write a file of keys, in place of the one before, as an operator should: readers see the one or the other."""
    unfinished = file.with_name(file.name + ".new")
    unfinished.write_text("".join(f"{line}\n" for line in lines))
    return unfinished.replace(file)
