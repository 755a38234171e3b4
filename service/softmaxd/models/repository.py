"""The models that are served, and how they change: finds version folders, loads, swaps and retires them.

A version folder `<name>/<version>/{model.onnx, manifest.json}` is written elsewhere and renamed into place. A new one
is tried out and loaded beside the others, then swapped in by one assignment; requests in flight finish on the version
they began with. A version that fails is reported, and the version before it stays in service.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from softmaxd.errors import ModelError, ModelNotFound, NotReady, StartupError
from softmaxd.models.engine import DeviceError, check_device
from softmaxd.models.loading import CountRuns, ignore_runs, load, read_manifest, try_out
from softmaxd.models.manifest import MODEL_FILE
from softmaxd.models.model import Model
from softmaxd.models.versions import Catalogue, Key, Stamp, Version, check_folder, is_version, stamp, version_folders
from softmaxd.settings import Settings

NO_SUCH_MODEL = "There is no such model; GET /models lists the models that are served"
NO_SUCH_VERSION = "There is no such version of this model; GET /models lists the versions that are served"
NO_DEFAULT = "There is no default model; use /models/{name}/predict"

logger = logging.getLogger(__name__)


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
    """The models of a folder. Raises `StartupError` if there is no such folder, or a required model cannot be served.

    Any thread may call its methods at any time; updates wait for each other.
    """

    def __init__(
        self, settings: Settings, count_runs: CountRuns = ignore_runs, shared_folder: Path | None = None
    ) -> None:
        self._settings = settings
        self._count_runs = count_runs
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

    def any(self) -> Model | None:
        """Return the default model, or else the first one, or None if no model is served."""
        if self.default is not None:
            return self.find(None)
        return next(iter(self.all()), None)

    def states(self) -> list[Version]:
        """Return every version with its state, by name, then by version."""
        return self._catalogue.sorted()

    def queued_rows(self) -> Mapping[str, int]:
        """Return the rows that wait for the engine now, by model."""
        rows: dict[str, int] = {}
        for model in self.all():
            rows[model.manifest.name] = rows.get(model.manifest.name, 0) + model.batcher.queued_rows
        return rows

    def check_ready(self) -> None:
        """Raise `NotReady` with the reason unless there is a model, the default one if named, and each required one."""
        settings, newest = self._settings, self._catalogue.newest
        if not newest:
            raise self._no_model()
        if settings.default_model is not None and settings.default_model not in newest:
            raise _no_default_yet(settings.default_model)
        for name in settings.required_models:
            if name not in newest:
                raise NotReady(f"The required model {name} is not loaded")

    def _no_model(self) -> NotReady:
        folder = self._settings.models_dir  # a client may know its name, but not the paths of this machine
        return NotReady(f"No model is loaded from the folder {folder.name if folder.is_absolute() else folder}")

    def find(self, name: str | None, version: str | None = None) -> Model:
        """Return a model: the default one without a name, its highest version that is ready without a version.

        Raises `ModelNotFound`, or `NotReady` if the default model is asked for and not loaded yet.
        """
        catalogue = self._catalogue
        name = name or catalogue.default
        if name is None:
            raise self._no_default()
        newest = catalogue.newest.get(name)
        if newest is None:
            raise ModelNotFound(NO_SUCH_MODEL)
        if version is None:
            return newest
        if is_version(version):
            found = catalogue.versions.get((name, int(version)))
            if found is not None and found.model is not None:
                return found.model
        raise ModelNotFound(NO_SUCH_VERSION)

    def _no_default(self) -> ModelNotFound | NotReady:
        if not self._catalogue.newest:
            return self._no_model()
        chosen = self._settings.default_model
        return ModelNotFound(NO_DEFAULT) if chosen is None else _no_default_yet(chosen)

    def versions_of(self, name: str, version: str | None = None) -> list[Version]:
        """Return all versions of a model or this one, the highest last, each with its state.

        Raises `NotReady` when none of them is ready, and `ModelNotFound` when there is none.
        """
        versions = [each for each in self._catalogue.of(name) if version in {None, str(each.version)}]
        if not versions:
            raise ModelNotFound("There is no such model, or no such version of it; GET /models lists them")
        if all(each.model is None for each in versions):
            raise NotReady("; ".join(f"Version {each.version} is {each.state}: {each.reason}" for each in versions))
        return versions

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
        """Look for changes now: load new versions, retire those whose folder is gone."""
        with self._update_lock:
            unloaded = self._unloaded.names()
            found = dict(version_folders(self._settings.models_dir))
            for key in set(self._catalogue.versions) - set(found):
                logger.info("retired %s version %d", *key)
                self._swap(key, None)
            for key, folder in sorted(found.items()):
                self._refresh(key, folder, is_unloaded=key[0] in unloaded)

    def load(self, name: str) -> None:
        """Serve a model that was unloaded or rejected. Raises `ModelNotFound`, or `ModelError` with the reason."""
        if not any(key[0] == name for key, _ in version_folders(self._settings.models_dir)):
            raise ModelNotFound("There is no such model in the models folder")
        with self._update_lock:
            self._unloaded.discard(name)
            for key, version in self._catalogue.versions.items():
                if key[0] == name and version.state == "rejected":
                    self._swap(key, None)
        self.update()
        if name not in self._catalogue.newest:
            raise ModelError("; ".join(version.reason for version in self._catalogue.of(name)))

    def unload(self, name: str) -> None:
        """Serve a model no longer, until it is loaded again. Raises `ModelNotFound`."""
        if name not in self._catalogue.newest:
            raise ModelNotFound(NO_SUCH_MODEL)
        self._unloaded.add(name)
        self.update()

    def _start(self) -> None:
        """Load everything; a required model without a version that can be served is an error."""
        folder = self._settings.models_dir
        check_folder(folder)
        check_device(self._settings.device)
        for key, version_folder in sorted(version_folders(folder)):
            try:
                self._swap(key, self._load(key, version_folder, stamp(version_folder)))
            except DeviceError as error:
                raise StartupError(str(error)) from error
        for name in self._settings.required_models:
            if name not in self._catalogue.newest:
                raise StartupError(self._why_missing(name))
        try:
            self.check_ready()
        except NotReady as error:
            logger.warning(
                "%s; models are looked for in %s", error.detail, folder / "<name>" / "<version>" / MODEL_FILE
            )

    def _why_missing(self, name: str) -> str:
        folder = self._settings.models_dir / name
        reasons = [f"{folder / str(each.version)}: {each.reason}" for each in self._catalogue.of(name)]
        return f"{'; '.join(reasons) or f'{folder} has no version'}, but the model {name} is required"

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
        now = stamp(folder)
        if known is not None and known.stamp == now:
            return
        before = None if known is None else known.model
        if before is None:
            self._swap(key, Version(*key, state="loading"))
        version = self._try_and_load(key, folder, now)
        if before is not None and version.model is None:  # the old model stays in service
            version = replace(version, state="ready", model=before)
        self._swap(key, version)

    def _try_and_load(self, key: Key, folder: Path, now: Stamp) -> Version:
        try:
            digest = read_manifest(folder).sha256
            if digest not in self._tried:
                try_out(folder)
                self._tried.add(digest)
            return self._load(key, folder, now)
        except ModelError as error:
            return _rejected(key, now, error)

    def _load(self, key: Key, folder: Path, now: Stamp) -> Version:
        """Return the version, ready or rejected. Raises `DeviceError`."""
        try:
            model = load(folder, self._settings, self._count_runs)
        except DeviceError:
            raise
        except ModelError as error:
            return _rejected(key, now, error)
        return Version(*key, state="ready", model=model, stamp=now)

    def _swap(self, key: Key, version: Version | None) -> None:
        """Put a version in the place of the old one, or take it out."""
        self._catalogue = self._catalogue.swapped(key, version, self._settings.default_model)


def _no_default_yet(name: str) -> NotReady:
    return NotReady(f"The default model {name} is not loaded")


def _rejected(key: Key, now: Stamp, error: ModelError) -> Version:
    logger.error("rejected %s version %d: %s", *key, error)
    return Version(*key, state="rejected", reason=str(error), stamp=now)
