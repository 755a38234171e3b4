"""The models that are served, and how they change: finds version folders, loads, swaps and retires them.

A version folder `<name>/<version>/{model.onnx, manifest.json}` is written elsewhere and renamed into place. A new one
is tried out and loaded beside the others, then swapped in by one assignment; requests in flight finish on the version
that they began with. One that fails is reported, and what was served before goes on being served.
"""

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from softmaxd.errors import ModelNotFound, NotReady, StartupError
from softmaxd.metrics.metrics import Metrics
from softmaxd.models.loading import load, read_manifest, try_out
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE
from softmaxd.models.model import Model
from softmaxd.settings import Settings

FALLBACK_DEFAULT = "blobs"

Key = tuple[str, int]  # name and version
State = Literal["ready", "loading", "rejected", "unloaded"]
Stamp = tuple[tuple[int, int, int] | None, ...]  # of a folder and its files: inode, time and size

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Version:
    """What became of a version folder: the model when it is ready, else the reason why it is not."""

    name: str
    version: int
    state: State
    reason: str = ""
    model: Model | None = None
    stamp: Stamp = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that is known at one moment; a change makes a new one."""

    versions: Mapping[Key, Version] = field(default_factory=dict)
    newest: Mapping[str, Model] = field(default_factory=dict)  # the highest version that is ready, by name
    default: str | None = None


class Unloaded:
    """The names of the models that are unloaded by request, as files in the folder that several workers share."""

    SUFFIX = ".unloaded"

    def __init__(self, shared_folder: Path | None) -> None:
        self._folder = shared_folder
        self._names: set[str] = set()

    def names(self) -> set[str]:
        if self._folder is None:
            return self._names
        return {file.name.removesuffix(self.SUFFIX) for file in self._folder.glob(f"*{self.SUFFIX}")}

    def add(self, name: str) -> None:
        self._names.add(name)
        if self._folder is not None:
            (self._folder / (name + self.SUFFIX)).touch()

    def discard(self, name: str) -> None:
        self._names.discard(name)
        if self._folder is not None:
            (self._folder / (name + self.SUFFIX)).unlink(missing_ok=True)


class Repository:
    """The models of a folder. Raises `StartupError` at the start when a model has no version that can be served.

    `find` and `all` may be called at any time from the event loop; `update` only from one thread at a time.
    """

    def __init__(self, settings: Settings, metrics: Metrics, shared_folder: Path | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._unloaded = Unloaded(shared_folder)
        self._tried: set[str] = set()  # SHA-256 of files that passed their trial
        self._update_lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self._catalogue = Catalogue()
        self._start()
        if self._unloaded.names():  # by the other workers, before this one took the place of one that died
            self.update()

    @property
    def default(self) -> str | None:
        """The name of the model that answers when none is named."""
        return self._catalogue.default

    def all(self) -> list[Model]:
        """Return every version that is served, by name, then by version."""
        return [version.model for version in self.states() if version.model is not None]

    def states(self) -> list[Version]:
        """Return what became of every version folder, by name, then by version."""
        versions = self._catalogue.versions
        return [versions[key] for key in sorted(versions)]

    def _states_of(self, name: str) -> list[Version]:
        return [version for version in self.states() if version.name == name]

    @property
    def is_ready(self) -> bool:
        """Whether there is a model to serve, and the default one if it is named."""
        catalogue = self._catalogue
        return bool(catalogue.newest) and (self._settings.default_model is None or catalogue.default is not None)

    def find(self, name: str | None, version: str | None = None) -> Model:
        """Return a model: the default one without a name, its highest version that is ready without a version.

        Raises `ModelNotFound`.
        """
        catalogue = self._catalogue
        name = name or catalogue.default
        if name is None:
            raise ModelNotFound("There is no default model; use /models/{name}/predict")
        newest = catalogue.newest.get(name)
        if newest is None:
            raise ModelNotFound("There is no such model; GET /models lists what is served")
        if version is None:
            return newest
        if version.isascii() and version.isdecimal() and str(int(version)) == version:
            found = catalogue.versions.get((name, int(version)))
            if found is not None and found.model is not None:
                return found.model
        raise ModelNotFound("There is no such version of this model; GET /models lists what is served")

    def versions_of(self, name: str, version: str | None = None) -> list[Version]:
        """Return all versions of a model or this one, the highest last, with what became of them.

        Raises `NotReady` when none of them is ready, and `ModelNotFound` when there is none.
        """
        versions = [each for each in self._states_of(name) if version in {None, str(each.version)}]
        if not versions:
            raise ModelNotFound("There is no such model, or no such version of it; GET /models lists them")
        if all(each.model is None for each in versions):
            raise NotReady("; ".join(f"Version {each.version} is {each.state}: {each.reason}" for each in versions))
        return versions

    # --- changes ---

    def watch(self) -> None:
        """Look for changes every `reload_interval`, in a thread of its own, until `close`."""
        if self._settings.reload_interval and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="reload", daemon=True)
            self._watcher.start()

    def close(self) -> None:
        """Stop looking for changes."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join()

    def update(self) -> None:
        """Look for changes now: load what is new, retire what has gone."""
        with self._update_lock:
            unloaded = self._unloaded.names()
            found = dict(version_folders(self._settings.models_dir))
            for key in set(self._catalogue.versions) - set(found):
                logger.info("retired %s version %d", *key)
                self._swap(key, None)
            for key, folder in sorted(found.items()):
                self._refresh(key, folder, is_unloaded=key[0] in unloaded)

    def load(self, name: str) -> None:
        """Serve a model that was unloaded or rejected. Raises `ModelNotFound`, or `StartupError` with the reason."""
        if not any(key[0] == name for key, _ in version_folders(self._settings.models_dir)):
            raise ModelNotFound("There is no such model in the models folder")
        with self._update_lock:
            self._unloaded.discard(name)
            for key, version in self._catalogue.versions.items():
                if key[0] == name and version.state == "rejected":
                    self._swap(key, None)
        self.update()
        if name not in self._catalogue.newest:
            raise StartupError("; ".join(version.reason for version in self._states_of(name)))

    def unload(self, name: str) -> None:
        """Serve a model no longer, until it is loaded again. Raises `ModelNotFound`."""
        if name not in self._catalogue.newest:
            raise ModelNotFound("There is no such model; GET /models lists what is served")
        self._unloaded.add(name)
        self.update()

    def _start(self) -> None:
        """Load everything; here a model without a version that can be served is an error."""
        folder = self._settings.models_dir
        if not folder.is_dir():
            raise StartupError(f"{folder} is not a folder; set the folder of models with --models-dir")
        found = list(version_folders(folder))
        for key, version_folder in sorted(found):
            self._swap(key, self._load(key, version_folder, _stamp(version_folder)))
        for name in {name for (name, _), _ in found} - set(self._catalogue.newest):
            reasons = [f"{folder / name / str(each.version)}: {each.reason}" for each in self._states_of(name)]
            raise StartupError("; ".join(reasons))
        if not found:
            raise StartupError(f"{folder} has no model: expected <name>/<version>/{MODEL_FILE}")
        chosen = self._settings.default_model
        if chosen is not None and chosen not in self._catalogue.newest:
            raise StartupError(f"default_model is {chosen}, but the models are {', '.join(self._catalogue.newest)}")

    def _watch(self) -> None:
        while not self._stop.wait(self._settings.reload_interval):
            try:
                self.update()
            except Exception:  # whatever happens to the folder, looking at it has to go on
                logger.exception("looking for new models failed")

    def _refresh(self, key: Key, folder: Path, *, is_unloaded: bool) -> None:
        known = self._catalogue.versions.get(key)
        if is_unloaded:
            if known is None or known.state != "unloaded":
                self._swap(key, Version(*key, state="unloaded", reason="unloaded by request"))
            return
        stamp = _stamp(folder)
        if known is not None and known.stamp == stamp:
            return
        before = None if known is None else known.model
        if before is None:
            self._swap(key, Version(*key, state="loading"))
        version = self._try_and_load(key, folder, stamp)
        if before is not None and version.model is None:  # what was served goes on being served
            version = replace(version, state="ready", model=before)
        self._swap(key, version)

    def _try_and_load(self, key: Key, folder: Path, stamp: Stamp) -> Version:
        try:
            digest = read_manifest(folder).sha256
            if digest not in self._tried:
                try_out(folder)
                self._tried.add(digest)
        except StartupError as error:
            return _rejected(key, stamp, error)
        return self._load(key, folder, stamp)

    def _load(self, key: Key, folder: Path, stamp: Stamp) -> Version:
        try:
            model = load(folder, self._settings, self._metrics)
        except StartupError as error:
            return _rejected(key, stamp, error)
        return Version(*key, state="ready", model=model, stamp=stamp)

    def _swap(self, key: Key, version: Version | None) -> None:
        """Put a version in the place of what was there, or take it out."""
        versions = {other: known for other, known in self._catalogue.versions.items() if other != key}
        if version is not None:
            versions[key] = version
        newest = {name: known.model for (name, _), known in sorted(versions.items()) if known.model is not None}
        self._catalogue = Catalogue(versions, newest, _default(self._settings.default_model, newest))


def _rejected(key: Key, stamp: Stamp, error: StartupError) -> Version:
    logger.error("rejected %s version %d: %s", *key, error)
    return Version(*key, state="rejected", reason=str(error), stamp=stamp)


def version_folders(models_dir: Path) -> Iterable[tuple[Key, Path]]:
    """Yield name and version of every version folder, and the folder."""
    for folder in models_dir.glob("[!.]*/*"):
        if folder.name.isascii() and folder.name.isdecimal() and not folder.name.startswith("0") and folder.is_dir():
            yield (folder.parent.name, int(folder.name)), folder


def _stamp(folder: Path) -> Stamp:
    """Return what changes when the folder or one of its two files is written again."""
    stamp: list[tuple[int, int, int] | None] = []
    for path in (folder, folder / MANIFEST_FILE, folder / MODEL_FILE):
        try:
            status = path.stat()
            stamp.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            stamp.append(None)
    return tuple(stamp)


def _default(chosen: str | None, newest: Mapping[str, Model]) -> str | None:
    if chosen is not None:
        return chosen if chosen in newest else None
    if len(newest) == 1:
        return next(iter(newest))
    return FALLBACK_DEFAULT if FALLBACK_DEFAULT in newest else None
