"""Loads a version folder: checks it against its manifest, opens the engine, warms it up.

`python -m softmaxd.models.loading FOLDER` does so on trial, in a process of its own with limits: a model that hangs,
crashes or takes all memory then takes nothing with it.
"""

import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from softmaxd.errors import ModelError
from softmaxd.models.batching import MAX_BATCH_ROWS, ONE_REQUEST, Batcher, EngineRun
from softmaxd.models.engine import Engine, Nodes
from softmaxd.models.manifest import ATYPICALITY, INPUT, KINDS, MANIFEST_FILE, MODEL_FILE, OUTPUTS, Manifest, sha256
from softmaxd.models.model import Model
from softmaxd.models.onnxfile import check_content, check_size
from softmaxd.models.rowwise import choose_batching
from softmaxd.models.runner import Runner
from softmaxd.models.warming import check_finite, rows_to_try, warm_up
from softmaxd.settings import Settings

INLINE_SECONDS = 200e-6  # a faster model runs on the event loop, because a thread would cost more
TRIAL_SECONDS = 15
TRIAL_BYTES = 4 * 2**30  # of address space

CountRuns = Callable[[Manifest], Callable[[EngineRun], None]]  # returns the function that takes each run

logger = logging.getLogger(__name__)


def ignore_runs(_manifest: Manifest) -> Callable[[EngineRun], None]:
    """Return a function that forgets the runs of an engine, for a model that is only tried."""
    return lambda _run: None


def load(folder: Path, settings: Settings, count_runs: CountRuns = ignore_runs) -> Model:
    """Return the model of a version folder, warm.

    Raises `ModelError` when it is not as its manifest says, `DeviceError` when the device does not work.
    """
    manifest = read_manifest(folder)
    engine = Engine(folder / MODEL_FILE, device=settings.device, threads=settings.threads)
    _check_graph(engine, manifest)
    seconds = warm_up(engine.run, manifest)
    rows = rows_to_try(manifest)
    check_finite(engine.run, manifest, rows)
    inline = seconds < INLINE_SECONDS
    run, batching = choose_batching(engine.run, rows)
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
        Runner(run, inline=inline, name=f"{manifest.name} version {manifest.version}"),
        count_runs(manifest),
        max_batch_rows=ONE_REQUEST if batching == "alone" else _most_rows(manifest, settings),
        max_queued_rows=settings.max_queued_rows,
        queue_timeout=settings.queue_timeout,
    )
    return Model(manifest, engine.provider, run, batcher)


def _most_rows(manifest: Manifest, settings: Settings) -> int:
    """Return the most rows of joined requests: their outputs together have no more numbers than one answer may have."""
    return max(1, min(MAX_BATCH_ROWS, settings.max_answer_numbers // len(manifest.labels)))


def try_out(folder: Path) -> None:
    """Load a version folder in another process; raises `ModelError` with its reason, or with how it ended."""
    command = [sys.executable, "-m", "softmaxd.models.loading", str(folder)]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"loading and running it takes more than {TRIAL_SECONDS} s") from error
    if trial.returncode < 0:
        raise ModelError(f"loading or running it ends the process by signal {-trial.returncode}")
    if trial.returncode:
        raise ModelError((trial.stderr.strip().splitlines() or ["it failed without a word"])[-1])


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a version folder, whose model file matches it; raises `ModelError`."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
        check_size(folder / MODEL_FILE)
        digest = sha256(folder / MODEL_FILE)
    except OSError as error:
        raise ModelError(f"{error.strerror}: {Path(error.filename).name}") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise ModelError(f"{MANIFEST_FILE}: {place}: {problem['msg']}") from error
    if [manifest.name, str(manifest.version)] != [folder.parent.name, folder.name]:
        raise ModelError(f"{MANIFEST_FILE} is of {manifest.name} version {manifest.version}")
    if digest != manifest.sha256:
        raise ModelError(f"{MODEL_FILE} does not match its manifest: SHA-256 {digest}, not {manifest.sha256}")
    check_content(folder / MODEL_FILE)
    return manifest


def _check_graph(engine: Engine, manifest: Manifest) -> None:
    """Refuse a graph unless it maps features [n, d] of the manifest's type to float32 logits and probabilities [n, k].

    With calibration data, `atypicality` [n] comes on top.
    """
    classes = [len(manifest.labels)]
    outputs = dict.fromkeys(OUTPUTS, classes)
    if manifest.calibration is not None:
        outputs[ATYPICALITY] = []
    _check_tensor(INPUT, engine.inputs, KINDS[manifest.datatype], [len(manifest.features)])
    for name, row in outputs.items():
        _check_tensor(name, engine.outputs, "float", row)


def _check_tensor(name: str, nodes: Nodes, kind: str, row: list[int]) -> None:
    found, shape = nodes.get(name, ("nothing", []))
    if found != f"tensor({kind})" or not shape or isinstance(shape[0], int) or shape[1:] != row:
        wanted = ", ".join(map(str, ["n", *row]))
        raise ModelError(f"{name} should be tensor({kind}) [{wanted}], but the graph has {found} {shape}")


def _main(folder: str) -> None:
    import resource  # noqa: PLC0415 - Windows has no such module

    with suppress(ValueError):  # macOS has the limit but does not take it
        resource.setrlimit(resource.RLIMIT_AS, (TRIAL_BYTES, TRIAL_BYTES))
    try:
        load(Path(folder), Settings(device="cpu"))
    except ModelError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _main(sys.argv[1])
