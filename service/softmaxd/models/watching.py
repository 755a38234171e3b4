"""Follows the models folder: tries new versions, loads them, swaps them in, and retires those that are gone.

A version folder `<name>/<version>/{model.onnx, manifest.json}` is written elsewhere and renamed into place. A new one
is tried out and loaded beside the others, then swapped in by one assignment; requests in flight finish on the version
they began with. A version that fails is reported, and the version before it stays in service. A folder that cannot be
read now is no reason to retire a version.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from softmaxd.errors import ModelError, ModelNotFound, NotReady, StartupError
from softmaxd.models.aside import POLL_SECONDS, Aside
from softmaxd.models.devices import check_device
from softmaxd.models.files import NotNow
from softmaxd.models.folders import WHOLE, Found, Stamp, look, look_first
from softmaxd.models.loading import CountRuns, load, read_manifest
from softmaxd.models.manifest import Key
from softmaxd.models.pins import Pins
from softmaxd.models.routes import Routes
from softmaxd.models.shadow import CountShadow, Shadows, ignore_shadows
from softmaxd.models.trials import passing, try_out
from softmaxd.models.unloaded import Unloaded
from softmaxd.models.versions import Catalogue, Version
from softmaxd.models.watchdog import Watchdog
from softmaxd.settings import Settings

FIRST_PAUSE, LAST_PAUSE = 1.0, 300.0  # seconds until a version is tried again; each pause is twice the one before
MAX_DOUBLINGS = 60  # far more than it takes, and few enough for a float
CLOSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Watcher:
    """The versions of a folder of models, and how they change. Raises `StartupError` if there is no such folder.

    Any thread may call its methods at any time; changes wait for each other.
    """

    def __init__(
        self,
        settings: Settings,
        count_runs: CountRuns,
        shared_folder: Path | None,
        count_shadow: CountShadow = ignore_shadows,
    ) -> None:
        self._settings = settings
        self._count_runs = count_runs
        self._unloaded = Unloaded(shared_folder)
        self._tried: set[str] = set()  # SHA-256 of files that passed their trial
        self._stop = threading.Event()
        self._aside = Aside(self._stop)
        self._watchdog = Watchdog(settings.run_timeout)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._unreadable: list[str] = []
        self._missing: list[str] = []
        self.catalogue = Catalogue(settings.default_model, shadows=Shadows(count_shadow))

    @property
    def problems(self) -> list[str]:
        """A sentence for each folder that cannot be read now, and each version that a pin or a route names in vain."""
        return self._unreadable + self._missing

    def start(self) -> None:
        """Load every version, without a trial. Raises `StartupError`."""
        folder = self._settings.models_dir
        check_device(self._settings.device)
        found = self._look(look_first)
        if WHOLE in found.unreadable:
            raise StartupError(f"{folder} cannot be read: {found.unreadable[WHOLE]}")
        for key, (version_folder, stamp) in sorted(found.folders.items()):
            self._swap(key, self._load(key, version_folder, stamp))
        self._pin(self._pins(found))
        self._route(self._routes(found))
        self._tell_missing()

    def catch_up(self) -> None:
        """Unload the models that other workers have unloaded, before this one took the place of one that died."""
        if self._unloaded.names():
            self.update()

    def watch(self) -> None:
        """Look for changes every `reload_interval`, in a thread of its own, and after long runs, until `close`."""
        self._watchdog.start()
        if self._settings.reload_interval and self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="reload", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop looking for changes, without waiting for a folder that does not answer."""
        self._stop.set()
        self._watchdog.close()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def update(self) -> None:
        """Look for changes now: load new versions, retire those whose folder is gone."""
        with self._changing():
            unloaded, found = self._unloaded.names(), self._look(look)
            keys, pins = {*self.catalogue.versions, *found.folders}, self._pins(found)
            self._pin(self._until_ready(pins))
            self._route(self._routes(found))  # of versions that are ready; of others, once they are
            # Of each model, new versions come before a retirement: it is served all along.
            for key in sorted(keys, key=lambda key: (key[0], found.is_gone(key), key[1])):
                if self._stop.is_set():
                    return
                if found.is_gone(key):
                    logger.info("retired %s version %d", *key)
                    self._swap(key, None)
                elif key[0] in unloaded:
                    self._unload(key)
                elif key in found.folders:
                    self._refresh(key, *found.folders[key])
            self._pin(pins)
            self._tell_missing()

    def load(self, name: str) -> None:
        """Serve a model that was unloaded or rejected.

        Raises `ModelNotFound`, `ModelError` with the reason, or `NotReady` if its folder cannot be read or tried now.
        """
        with self._changing():
            found = self._look(look)
            if not any(key[0] == name for key in found.folders):
                if found.unreadable.keys() & {WHOLE, name}:
                    raise NotReady("; ".join(found.problems()))
                raise ModelNotFound("There is no such model in the models folder")
            self._unloaded.discard(name)
            for key, version in self.catalogue.versions.items():
                if key[0] == name and version.state == "rejected":
                    self._swap(key, None)
        self.update()
        if name not in self.catalogue.current:
            versions = self.catalogue.of(name)
            reason = "; ".join(version.reason for version in versions)
            raise NotReady(reason) if any(version.failures for version in versions) else ModelError(reason)

    def unload(self, name: str) -> None:
        """Serve a model no longer, until it is loaded again. Raises `NotReady`."""
        self._unloaded.add(name)
        self.update()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Wait for other changes. Raises `NotReady` at a stop."""
        while not self._lock.acquire(timeout=POLL_SECONDS):
            if self._stop.is_set():
                raise NotReady("The service is shutting down")
        try:
            yield
        finally:
            self._lock.release()

    def _look(self, how: Callable[[Path], Found]) -> Found:
        """Return the version folders, and log which folders cannot be read any more, or can again."""
        work = partial(how, self._settings.models_dir)
        try:
            found = self._aside.run(work, seconds=self._settings.scan_timeout, setting="scan_timeout")
        except NotNow as error:
            found = Found(unreadable={WHOLE: str(error)})
        self._tell_unreadable(found.problems())
        return found

    def _tell_unreadable(self, problems: list[str]) -> None:
        """Log which folders cannot be read any more, and which can again."""
        for problem in problems:
            if problem not in self._unreadable:
                logger.warning("%s; the versions that were loaded stay in service", problem)
        if self._unreadable and not problems:
            logger.info("every folder of models can be read again")
        self._unreadable = problems

    def _tell_missing(self) -> None:
        """Log which versions a pin or a route names in vain."""
        problems = self.catalogue.problems()
        for problem in problems:
            if problem not in self._missing:
                logger.warning("%s", problem)
        self._missing = problems

    def _watch(self) -> None:
        while not self._stop.wait(self._settings.reload_interval):
            try:
                self.update()
            except NotReady:  # a stop
                return
            except Exception:  # whatever happens to the folder, looking at it has to go on
                logger.exception("looking for new models failed")

    def _pins(self, found: Found) -> Pins:
        """Return the pins; those in folders that cannot be read now are as they were."""
        away = {name: pin for name, pin in self.catalogue.pins.items() if found.is_away(name)}
        return {**away, **found.pins}

    def _until_ready(self, pins: Pins) -> Pins:
        """Return pins of which each version is ready now, and the old ones of the other models."""
        versions, before = self.catalogue.versions, self.catalogue.pins
        pending = {key[0] for key in pins.items() if key not in versions or versions[key].model is None}
        return {name: pin for name, pin in pins.items() if name not in pending} | {
            name: pin for name, pin in before.items() if name in pending
        }

    def _pin(self, pins: Pins) -> None:
        """Let these versions answer for the names of their models."""
        before = self.catalogue.pins
        for name, pin in pins.items() - before.items():
            logger.info("%s version %d is pinned", name, pin)
        for name in before.keys() - pins.keys():
            logger.info("%s has no pinned version any more", name)
        if pins != before:
            self.catalogue = replace(self.catalogue, pins=pins)

    def _routes(self, found: Found) -> Routes:
        """Return the routes; those in folders that cannot be read now are as they were."""
        away = {name: route for name, route in self.catalogue.routes.items() if found.is_away(name)}
        return {**away, **found.routes}

    def _route(self, routes: Routes) -> None:
        """Let these versions take part in the requests to their models."""
        before = self.catalogue.routes
        for name in sorted(routes.keys() | before.keys()):
            if routes.get(name) != before.get(name):
                logger.info("%s has %s", name, f"a route: {routes[name]}" if name in routes else "no route any more")
        if routes != before:
            self.catalogue = replace(self.catalogue, routes=routes)

    def _unload(self, key: Key) -> None:
        known = self.catalogue.versions.get(key)
        if known is None or known.state != "unloaded":
            self._swap(key, Version(*key, state="unloaded", reason="unloaded by request"))

    def _refresh(self, key: Key, folder: Path, stamp: Stamp) -> None:
        """Load a version that is new or has changed, or whose failure may have passed."""
        known = self.catalogue.versions.get(key)
        is_same = known is not None and known.stamp == stamp
        if known is not None and is_same and time.monotonic() < known.due:
            return
        before = None if known is None else known.model
        if before is None:
            self._swap(key, Version(*key, state="loading"))
        version = self._try_and_load(key, folder, stamp, known.failures if known is not None and is_same else 0)
        if before is not None and version.model is None:  # the old model stays in service
            version = replace(version, state="ready", model=before)
        self._swap(key, version)

    def _try_and_load(self, key: Key, folder: Path, stamp: Stamp, failures: int) -> Version:
        settings = self._settings
        try:
            read = partial(read_manifest, folder, settings.models_dir)
            digest = self._aside.run(read, seconds=settings.trial_timeout, setting="trial_timeout").sha256
            if digest not in self._tried:
                try_out(folder, settings, self._stop)
                self._tried.add(digest)
            return self._load(key, folder, stamp, failures)
        except ModelError as error:
            return self._rejected(key, stamp, error, failures)

    def _load(self, key: Key, folder: Path, stamp: Stamp, failures: int = 0) -> Version:
        """Return the version, ready or rejected."""
        work = partial(load, folder, self._settings, self._count_runs, self._watchdog)
        try:
            model = self._aside.run(work, seconds=self._settings.trial_timeout, setting="trial_timeout")
        except ModelError as error:
            return self._rejected(key, stamp, passing(error), failures)
        return Version(*key, state="ready", model=model, stamp=stamp)

    def _rejected(self, key: Key, stamp: Stamp, error: ModelError, failures: int) -> Version:
        """Return a version that is not served. Where the reason may pass, it is tried again after a growing pause."""
        if not isinstance(error, NotNow):
            logger.error("rejected %s version %d: %s", *key, error)
            return Version(*key, state="rejected", reason=str(error), stamp=stamp)
        pause = min(FIRST_PAUSE * 2 ** min(failures, MAX_DOUBLINGS), LAST_PAUSE)
        if not self._stop.is_set():
            logger.warning("%s version %d is tried again in %g s: %s", *key, pause, error)
        reason = f"{error}; it is tried again"
        due = time.monotonic() + pause
        return Version(*key, state="rejected", reason=reason, stamp=stamp, failures=failures + 1, due=due)

    def _swap(self, key: Key, version: Version | None) -> None:
        """Put a version in the place of the old one, or take it out."""
        self.catalogue = self.catalogue.swapped(key, version)
