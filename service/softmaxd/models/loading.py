"""Loads a version folder: checks it against its manifest, opens the engine, warms it up."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from softmaxd.errors import ModelError
from softmaxd.models.agreement import check_agreement
from softmaxd.models.batching import MAX_BATCH_ROWS, ONE_REQUEST, Batcher
from softmaxd.models.engine import Engine, Nodes
from softmaxd.models.features import TABLE_KINDS
from softmaxd.models.files import NotNow, read_regular, sha256
from softmaxd.models.manifest import ATYPICALITY, MANIFEST_FILE, MAX_MANIFEST_BYTES, MODEL_FILE, OUTPUTS, Manifest
from softmaxd.models.model import Model
from softmaxd.models.onnxfile import check_content, check_size
from softmaxd.models.outputs import Features
from softmaxd.models.places import key_by_place
from softmaxd.models.rowwise import Batching, choose_batching, is_same
from softmaxd.models.runner import Limits, Runner
from softmaxd.models.session import CPU
from softmaxd.models.split import split
from softmaxd.models.subgraph import part_of
from softmaxd.models.together import EngineRun, Run
from softmaxd.models.warming import check_finite, fastest, middle, rows_to_try, warm_up
from softmaxd.models.watchdog import Watchdog
from softmaxd.settings import Settings

INLINE_SECONDS = 200e-6  # a faster model runs on the event loop, because a thread would cost more
LATER_SECONDS = 4e-6  # a row, at most, for a part that runs on the event loop when an answer is written

Stop = Callable[[int], None]  # ends the run in a thread
CountRuns = Callable[[Manifest], Callable[[EngineRun], None]]  # returns the function that takes each run

logger = logging.getLogger(__name__)


def ignore_runs(_manifest: Manifest) -> Callable[[EngineRun], None]:
    """Return a function that forgets the runs of an engine, for a model that is only tried."""
    return lambda _run: None


def load(
    folder: Path, settings: Settings, count_runs: CountRuns = ignore_runs, watchdog: Watchdog | None = None
) -> Model:
    """Return the model of a version folder, warm.

    Raises `ModelError` when it is not as its manifest says, `DeviceError` when the device does not work.
    """
    start = time.perf_counter()
    model = _load(folder, settings, count_runs, watchdog)
    model.load_seconds = time.perf_counter() - start
    return model


def _load(folder: Path, settings: Settings, count_runs: CountRuns, watchdog: Watchdog | None) -> Model:
    manifest = read_manifest(folder, settings.models_dir)
    engine = Engine(folder / MODEL_FILE, device=settings.device, threads=settings.threads)
    _check_graph(engine, manifest)
    run_rows = as_graph_takes(engine, manifest)
    seconds = warm_up(run_rows, manifest)
    rows = rows_to_try(manifest)
    check_finite(run_rows, manifest, rows)
    if engine.provider != CPU:
        check_agreement(run_rows, _run_on_cpu(folder, manifest), [middle(manifest, 1), rows])
    inline = seconds < INLINE_SECONDS
    run, batching, stop = _way_to_run(engine, run_rows, folder / MODEL_FILE, manifest, rows, inline=inline)
    logger.info(
        "serving %s version %d on %s",
        manifest.name,
        manifest.version,
        engine.provider,
        extra={
            "threads": settings.threads,
            "row_microseconds": round(seconds * 1e6),
            "inline": inline,
            "rows": batching,
        },
    )
    batcher = Batcher(
        Runner(
            run,
            inline=inline,
            limits=Limits(settings.run_timeout, seconds, stop, settings.threads),
            watchdog=watchdog,
            known=middle(manifest, 1),
            name=f"{manifest.name} version {manifest.version}",
        ),
        count_runs(manifest),
        max_batch_rows=ONE_REQUEST if batching == "alone" else _most_rows(manifest, settings),
        max_queued_rows=settings.max_queued_rows,
        max_queued_seconds=settings.max_queued_seconds,
        queue_timeout=settings.queue_timeout,
    )
    return Model(manifest, engine.provider, run, batcher, is_rowwise=batching != "alone")


def _way_to_run(
    engine: Engine, whole: Run, file: Path, manifest: Manifest, rows: Features, *, inline: bool
) -> tuple[Run, Batching, Stop]:
    """Return how to run a model, which rows run together, and how to stop it."""
    run, batching = choose_batching(whole, rows)
    if inline and engine.provider == CPU and batching == "joined" and manifest.calibration and manifest.takes_array:
        parts = _in_parts(file, engine.threads, manifest, rows, run)
        if parts is not None:
            return parts[0], batching, parts[1]
    return run, batching, engine.stop


def _in_parts(file: Path, threads: int, manifest: Manifest, rows: Features, whole: Run) -> tuple[Run, Stop] | None:
    """Return a run of the part of a graph that each answer needs, and how to stop it.

    None if atypicality cannot be told apart, takes long, or if the parts give other bits than the whole graph.
    """
    try:
        content = file.read_bytes()
        files = [part_of(content, names) for names in (OUTPUTS, [ATYPICALITY])]
        plain, rest = (Engine(each, device="cpu", threads=threads) for each in files)
        later = as_graph_takes(rest, manifest)
        seconds = fastest(later, rows)
    except Exception:  # the graph runs whole
        return None
    is_quick = seconds <= len(rows) * LATER_SECONDS
    run = split(as_graph_takes(plain, manifest), later)
    return (run, plain.stop) if is_quick and is_same(run, whole, rows) else None


def _run_on_cpu(folder: Path, manifest: Manifest) -> Run:
    return as_graph_takes(Engine(folder / MODEL_FILE, device="cpu"), manifest)


def as_graph_takes(engine: Engine, manifest: Manifest) -> Run:
    """Return a function that runs features [n, numbers], or records [n], in the shape and the inputs of the graph."""
    if not manifest.takes_array:
        names = [tensor.name for tensor in manifest.tensors]
        return lambda features: engine.run_inputs({name: np.ascontiguousarray(features[name]) for name in names})
    shape = manifest.layout.shape
    return (lambda features: engine.run(features.reshape(-1, *shape))) if manifest.depth else engine.run


def _most_rows(manifest: Manifest, settings: Settings) -> int:
    """Return the most rows of joined requests: their outputs together have no more numbers than one answer may have."""
    return max(1, min(MAX_BATCH_ROWS, settings.max_answer_numbers // len(manifest.labels)))


def read_manifest(folder: Path, models_dir: Path | None = None) -> Manifest:
    """Return the manifest of a version folder, whose model file and place in the folder of models match it.

    Raises `ModelError`, or `NotNow` when a file is there and cannot be read.
    """
    with _reading():
        content = read_regular(folder / MANIFEST_FILE, max_bytes=MAX_MANIFEST_BYTES)
        manifest = _parsed(content)
        check_size(folder / MODEL_FILE)
        digest = sha256(folder / MODEL_FILE)
        key = key_by_place(folder, models_dir)
    if key is not None and key != (manifest.name, str(manifest.version)):
        raise ModelError(f"{MANIFEST_FILE} is of {manifest.name} version {manifest.version}")
    if digest != manifest.sha256:
        raise ModelError(f"{MODEL_FILE} does not match its manifest: SHA-256 {digest}, not {manifest.sha256}")
    with _reading():
        check_content(folder / MODEL_FILE)
    return manifest


@contextmanager
def _reading() -> Iterator[None]:
    """Turn errors of the system into `ModelError` if a file is missing, else into `NotNow`."""
    try:
        yield
    except OSError as error:
        reason = f"{error.strerror}: {Path(error.filename or 'its files').name}"
        is_missing = isinstance(error, (FileNotFoundError, NotADirectoryError))  # the stamp will tell when it comes
        raise (ModelError(reason) if is_missing else NotNow(reason)) from error


def _parsed(content: bytes) -> Manifest:
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ModelError(f"{MANIFEST_FILE}: {place}: {problem['msg']}") from error


def _check_graph(engine: Engine, manifest: Manifest) -> None:
    """Refuse a graph unless it maps features as the manifest has them to float32 logits and probabilities [n, k].

    With calibration data, `atypicality` [n] comes on top.
    """
    classes = [len(manifest.labels)]
    outputs = dict.fromkeys(OUTPUTS, classes)
    if manifest.calibration is not None:
        outputs[ATYPICALITY] = []
    for name, datatype, shape in manifest.inputs:
        _check_tensor(name, engine.inputs, TABLE_KINDS[datatype], list(shape))
    if unknown := next((name for name in engine.inputs if name not in {each.name for each in manifest.inputs}), None):
        raise ModelError(f"the graph has the input {unknown}, which {MANIFEST_FILE} does not have")
    for name, row in outputs.items():
        _check_tensor(name, engine.outputs, "float", row)


def _check_tensor(name: str, nodes: Nodes, kind: str, row: list[int]) -> None:
    found, shape = nodes.get(name, ("nothing", []))
    if found != f"tensor({kind})" or not shape or isinstance(shape[0], int) or shape[1:] != row:
        wanted = ", ".join(map(str, ["n", *row]))
        raise ModelError(f"{name} should be tensor({kind}) [{wanted}], but the graph has {found} {shape}")
