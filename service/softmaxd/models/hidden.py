"""Hidden names for files and folders of a model that are not complete yet or not needed any more.

Two runs never have the same name, whatever host or container they run in. A run that is killed leaves its file or
folder behind, and a later one removes it once it is `OLD`. Nobody knows whether a run on another host is alive, but
none takes so long between two files that it writes.
"""

import secrets
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from softmaxd.os_errors import naming

UNFINISHED, REMOVED, PINNED, ROUTED, PULLED = ".unfinished-", ".removed-", ".pinned-", ".routed-", ".pulled-"
OLD = 24 * 60 * 60.0  # seconds since the last change


def new_name(prefix: str) -> str:
    """Return a name that nobody else has."""
    return prefix + secrets.token_hex(8)


def remove_leftovers(models_dir: Path) -> None:
    """Remove the files and folders of killed runs from the folders of all models."""
    for prefix in (UNFINISHED, REMOVED, PINNED, ROUTED, PULLED):
        remove_old(models_dir.glob(f"*/{prefix}*"))


def remove_old(paths: Iterable[Path]) -> None:
    """Remove files and folders that are `OLD`."""
    for path in paths:
        with suppress(OSError):  # it is somebody else's, or gone by now
            status = path.lstat()
            if max(status.st_mtime, status.st_ctime) < time.time() - OLD:  # a rename changes only ctime
                remove(path)


def write_small(path: Path, text: str, prefix: str) -> None:
    """Write a small file of a model's folder. Readers see the old content or the new one. Raises `OSError`."""
    remove_leftovers(path.parent.parent)
    unfinished = path.with_name(new_name(prefix))
    try:
        with naming(path):
            unfinished.write_text(text, encoding="ascii")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a folder, or a file or a link itself. Raises `OSError`."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
