"""Finds, checks, loads and warms the models of a folder `<name>/<version>/{model.onnx, manifest.json}`."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from service.batching import Batcher, run_together
from service.engine import Engine
from service.errors import ModelNotFound, StartupError
from service.metrics import Metrics
from service.model import MANIFEST_FILE, MODEL_FILE, Manifest, Model, sha256
from service.settings import Settings

INLINE_SECONDS = 200e-6  # a model that answers one row faster runs on the event loop: a thread costs more
WARM_UP_ROWS = (1, 64, 1)
FALLBACK_DEFAULT = "blobs"

logger = logging.getLogger(__name__)


class Repository:
    """The models that are served, by name and version."""

    def __init__(self, models: Mapping[str, Mapping[int, Model]], default: str | None) -> None:
        self._models = models
        self._newest = {name: versions[max(versions)] for name, versions in models.items()}
        self.default = default

    def all(self) -> list[Model]:
        """Return every version of every model, by name, then by version."""
        return [self._models[name][version] for name in sorted(self._models) for version in sorted(self._models[name])]

    def find(self, name: str | None, version: str | None = None) -> Model:
        """Return a model: the default one without a name, its highest version without a version.

        Raises `ModelNotFound`.
        """
        name = name or self.default
        if name is None:
            raise ModelNotFound("There is no default model; use /models/{name}/predict")
        newest = self._newest.get(name)
        if newest is None:
            raise ModelNotFound("There is no such model; GET /models lists what is served")
        if version is None:
            return newest
        for number, model in self._models[name].items():
            if str(number) == version:
                return model
        raise ModelNotFound("There is no such version of this model; GET /models lists what is served")


def load_models(settings: Settings, metrics: Metrics) -> Repository:
    """Load every version below `models_dir`; raises `StartupError` when one of them is not as its manifest says."""
    if not settings.models_dir.is_dir():
        raise StartupError(f"{settings.models_dir} is not a folder; set the folder of models with --models-dir")
    models: dict[str, dict[int, Model]] = {}
    for folder in _version_folders(settings.models_dir):
        model = _load(folder, settings, metrics)
        models.setdefault(model.manifest.name, {})[model.manifest.version] = model
    if not models:
        raise StartupError(f"{settings.models_dir} has no model: expected <name>/<version>/{MODEL_FILE}")
    return Repository(models, _default(settings.default_model, set(models)))


def _version_folders(models_dir: Path) -> list[Path]:
    return sorted(folder for folder in models_dir.glob("[!.]*/*") if folder.name.isdecimal() and folder.is_dir())


def _default(chosen: str | None, names: set[str]) -> str | None:
    if chosen is not None and chosen not in names:
        raise StartupError(f"default_model is {chosen}, but the models are {', '.join(sorted(names))}")
    if chosen is None and len(names) == 1:
        return next(iter(names))
    return chosen or (FALLBACK_DEFAULT if FALLBACK_DEFAULT in names else None)


def _load(folder: Path, settings: Settings, metrics: Metrics) -> Model:
    try:
        manifest = _read_manifest(folder)
        engine = Engine(folder / MODEL_FILE, device=settings.device, threads=settings.threads)
        _check_graph(engine, manifest)
    except StartupError as error:
        raise StartupError(f"{folder}: {error}") from error
    seconds = _warm_up(engine, manifest)
    inline = seconds < INLINE_SECONDS
    batcher = Batcher(
        engine.run,
        metrics.batches(manifest.name).add,
        inline=inline,
        max_queued_rows=settings.max_queued_rows,
        queue_timeout=settings.queue_timeout,
    )
    logger.info(
        "serving %s version %d on %s",
        manifest.name,
        manifest.version,
        engine.provider,
        extra={"threads": settings.threads, "row_microseconds": round(seconds * 1e6), "inline": inline},
    )
    metrics.watch_queue(manifest.name, lambda: batcher.queued_rows)
    return Model(
        manifest,
        engine.provider,
        lambda features: run_together(engine.run, [features])[0],
        batcher.predict,
        batcher.submit,
    )


def _read_manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        digest = sha256(folder / MODEL_FILE)
    except OSError as error:
        raise StartupError(f"{error.strerror}: {Path(error.filename).name}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise StartupError(f"{MANIFEST_FILE}: {place}: {problem['msg']}") from error
    if [manifest.name, str(manifest.version)] != [folder.parent.name, folder.name]:
        raise StartupError(f"{MANIFEST_FILE} is of {manifest.name} version {manifest.version}")
    if digest != manifest.sha256:
        raise StartupError(f"{MODEL_FILE} does not match its manifest: SHA-256 {digest}, not {manifest.sha256}")
    return manifest


def _check_graph(engine: Engine, manifest: Manifest) -> None:
    """Refuse a graph that is not float32 features [n, d] → logits and probabilities [n, k]."""
    classes = len(manifest.labels)
    expected = {"features": len(manifest.features)}, {"logits": classes, "probabilities": classes}
    for nodes, widths in zip((engine.inputs, engine.outputs), expected, strict=True):
        for name, width in widths.items():
            kind, shape = nodes.get(name, ("nothing", []))
            if kind != "tensor(float)" or len(shape) != 2 or isinstance(shape[0], int) or shape[1] != width:  # noqa: PLR2004 - rows and columns
                raise StartupError(f"{name} should be tensor(float) [n, {width}], but the graph has {kind} {shape}")


def _warm_up(engine: Engine, manifest: Manifest) -> float:
    """Run the model as it will be run, and return the seconds that one row takes."""
    middle = [((feature.min or 0.0) + (feature.max or 0.0)) / 2 for feature in manifest.features]
    for rows in WARM_UP_ROWS:
        features = np.tile(np.array(middle, dtype=np.float32), (rows, 1))
        start = time.perf_counter()
        engine.run(features)
    return time.perf_counter() - start
