"""The models that are served: finds the version that answers a request, and says what is ready and why not."""

import logging
from pathlib import Path

from softmaxd.errors import ModelNotFound, NotReady, StartupError
from softmaxd.models.loading import CountRuns, ignore_runs
from softmaxd.models.manifest import MODEL_FILE, Key
from softmaxd.models.model import Model
from softmaxd.models.pins import is_version
from softmaxd.models.places import find_folder
from softmaxd.models.shadow import CountShadow, ignore_shadows
from softmaxd.models.versions import Catalogue, Version
from softmaxd.models.watching import Watcher
from softmaxd.settings import Settings

NO_SUCH_MODEL = "There is no such model; GET /models lists the models that are served"
NO_SUCH_VERSION = "There is no such version of this model; GET /models lists the versions that are served"
NO_DEFAULT = "There is no default model; use /models/{name}/predict"

logger = logging.getLogger(__name__)


class Repository:
    """The models of a folder. Raises `StartupError` if there is no such folder, or a required model cannot be served.

    Any thread may call its methods at any time; updates wait for each other.
    """

    def __init__(
        self,
        settings: Settings,
        count_runs: CountRuns = ignore_runs,
        shared_folder: Path | None = None,
        count_shadow: CountShadow = ignore_shadows,
    ) -> None:
        self._settings = settings
        self._watcher = Watcher(settings, count_runs, shared_folder, count_shadow)
        self._watcher.start()
        self._check_start()
        self._watcher.catch_up()

    @property
    def _catalogue(self) -> Catalogue:
        return self._watcher.catalogue

    @property
    def problems(self) -> list[str]:
        """A sentence for each folder that cannot be read now, and each version that a pin or a route names in vain."""
        return self._watcher.problems

    @property
    def default(self) -> Model | None:
        """The version that answers when no model is named."""
        return self._catalogue.default

    def all(self) -> list[Model]:
        """Return every version that is served, by name, then by version."""
        return [version.model for version in self.states() if version.model is not None]

    def any(self) -> Model | None:
        """Return the default model, or else the first one, or None if no model is served."""
        return self.default or next(iter(self.all()), None)

    def states(self) -> list[Version]:
        """Return every version with its state, by name, then by version."""
        return self._catalogue.sorted()

    def is_pinned(self, version: Version) -> bool:
        """Return True if a version is the pinned one of its model."""
        return self._catalogue.is_pinned(version)

    def share(self, version: Version) -> float:
        """Return the share of a version of the requests to its model that name no version: 0 to 1."""
        return self._catalogue.share(version)

    def is_shadow(self, version: Version) -> bool:
        """Return True if a version runs the rows of its model beside the one that answers."""
        return self._catalogue.is_shadow(version)

    def is_current(self, version: Version) -> bool:
        """Return True if a version is the one that answers for the name of its model."""
        return version.model is not None and self._catalogue.current.get(version.name) is version.model

    def queued_rows(self) -> dict[Key, int]:
        """Return the rows that wait for the engine now, by version."""
        return {model.key: model.batcher.queued_rows for model in self.all()}

    def check_ready(self) -> None:
        """Raise `NotReady` with the reason unless there is a model, the default one if named, and each required one."""
        settings, catalogue = self._settings, self._catalogue
        if not catalogue.current:
            raise self._no_model()
        if settings.default_model is not None and catalogue.default is None:
            raise _no_default_yet(settings.default_model)
        for name in settings.required_models:
            if name not in catalogue.current:
                raise NotReady(f"The required model {name} is not loaded")

    def _no_model(self) -> NotReady:
        folder = self._settings.models_dir  # a client may know its name, but not the paths of this machine
        return NotReady(f"No model is loaded from the folder {folder.name if folder.is_absolute() else folder}")

    def find(self, name: str | None, version: str | None = None, request_id: bytes = b"") -> Model:
        """Return a model: the default one without a name, the version that answers for its name without a version.

        With the id of a request, a route of the model may choose another version.

        Raises `ModelNotFound`, or `NotReady` if the default model is asked for and not loaded yet.
        """
        catalogue = self._watcher.catalogue
        found = catalogue.default if name is None else catalogue.current.get(name)
        if found is None:
            raise self._no_default() if name is None else ModelNotFound(NO_SUCH_MODEL)
        if version is None:
            return catalogue.choose(name, found, request_id) if catalogue.routed and request_id else found
        if is_version(version):
            known = catalogue.versions.get((found.manifest.name, int(version)))
            if known is not None and known.model is not None:
                return known.model
        raise ModelNotFound(NO_SUCH_VERSION)

    def _no_default(self) -> ModelNotFound | NotReady:
        if not self._catalogue.current:
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
        self._watcher.watch()

    def close(self) -> None:
        """Stop looking for changes, without waiting for a folder that does not answer, and stop every run."""
        self._watcher.close()
        self._catalogue.shadows.close()
        for model in self.all():
            model.batcher.runner.close()

    def update(self) -> None:
        """Look for changes now: load new versions, retire those whose folder is gone."""
        self._watcher.update()

    def load(self, name: str) -> None:
        """Serve a model that was unloaded or rejected.

        Raises `ModelNotFound`, `ModelError` with the reason, or `NotReady` if its folder cannot be read or tried now.
        """
        self._watcher.load(name)

    def unload(self, name: str) -> None:
        """Serve a model no longer, until it is loaded again. Raises `ModelNotFound`, `NotReady`."""
        if name not in self._catalogue.current:
            raise ModelNotFound(NO_SUCH_MODEL)
        self._watcher.unload(name)

    def _check_start(self) -> None:
        """Raise `StartupError` if a required model has no version that can be served."""
        folder = self._settings.models_dir
        for name in self._settings.required_models:
            if name not in self._catalogue.current:
                raise StartupError(self._why_missing(name))
        try:
            self.check_ready()
        except NotReady as error:
            logger.warning(
                "%s; models are looked for in %s", error.detail, folder / "<name>" / "<version>" / MODEL_FILE
            )

    def _why_missing(self, name: str) -> str:
        folder = self._settings.models_dir
        versions = self._catalogue.of(name)
        reasons = [f"{find_folder(folder, (name, each.version))}: {each.reason}" for each in versions]
        there = ", ".join(sorted({each.name for each in self._catalogue.sorted()})) or "no model"
        return f"{'; '.join(reasons) or f'{folder} has {there}'}, but the model {name} is required"


def _no_default_yet(name: str) -> NotReady:
    return NotReady(f"The default model {name} is not loaded")
