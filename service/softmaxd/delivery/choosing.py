"""Chooses the kind of a store by its form: a URL of a web server, another URL, or a folder."""

import importlib.util
from pathlib import Path

from softmaxd.delivery.folder import Folder
from softmaxd.delivery.store import Shelf, Store
from softmaxd.delivery.web import Web
from softmaxd.errors import Refused, StartupError, pip_install


def open_store(text: str) -> Store:
    """Return the store at a place. Raises `Refused`, or `StartupError` without the extra that it needs."""
    return Web(text) if _is_web(text) else open_shelf(text)


def open_shelf(text: str) -> Shelf:
    """Return a store that takes files, too. Raises as `open_store`."""
    if _is_web(text):
        raise Refused("a web server takes no files: push to the folder that it serves, or to object storage")
    if text.endswith(".tar"):
        raise Refused("one archive comes only from a web server: give the folder or the bucket that it is in")
    if "://" not in text:
        return Folder(Path(text))
    if text.lower().startswith(("file://", "local://")):  # fsspec would write so that readers see half a file
        raise Refused("a folder of this machine is given as its path, such as /srv/store")
    if importlib.util.find_spec("fsspec") is None:
        install = pip_install("'softmaxd[storage]'")
        raise StartupError(f"object storage needs packages that serving does not: {install}")
    from softmaxd.delivery.objects import Objects  # noqa: PLC0415 - only such a store needs fsspec

    return Objects(text)


def _is_web(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))
