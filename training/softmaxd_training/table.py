"""A classifier of the rows of a table, from its columns to a published version: read from top to bottom."""

import hashlib
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread

import numpy as np
from tqdm import tqdm

from softmaxd.errors import Refused
from softmaxd.models.calibration import Calibration, Evaluation
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import ATYPICALITY, LOGITS, MODEL_FILE, Manifest, Sample
from softmaxd.models.onnxfile import check_size
from softmaxd.models.outputs import Array, Features
from softmaxd.models.publishing import describe, next_version
from softmaxd_training import pictures, strange, tablecard
from softmaxd_training.calibration import calibrate, evaluate, fit_temperature, measure
from softmaxd_training.frames.frame import Frame
from softmaxd_training.job import Job
from softmaxd_training.provenance import provenance_of
from softmaxd_training.rows import PLANE, Classes, Rows, sample
from softmaxd_training.splitting import Split
from softmaxd_training.tablefeatures import Part, cells_of, features_of, rows_of
from softmaxd_training.tables.ensemble import Tell
from softmaxd_training.tables.fitting import Fitted, fit
from softmaxd_training.tables.folds import deal
from softmaxd_training.tables.graphs import check_graph, graph_of, inputs_of
from softmaxd_training.tables.typicality import TableTypicality, points_that_pay, typical_rows

BLOCK = 1024  # rows that a model is asked for at a time
PAUSE = 10.0  # seconds between two lines of progress in a log

Outputs = Mapping[str, Array]


@contextmanager
def telling(pause: float = PAUSE) -> Iterator[Tell]:
    """Give a function that tells the progress on standard error.

    On a terminal a line takes the place of the one before. Elsewhere, as in a log, the latest line is written every
    `pause` seconds.
    """
    if sys.stderr.isatty():
        with tqdm(bar_format="{desc}  {elapsed}", leave=False) as bar:
            yield bar.set_description_str
        return
    latest, is_over = deque(["looking at the rows"], maxlen=1), Event()
    writing = Thread(target=_write, args=(latest, is_over, pause))
    writing.start()
    try:
        yield latest.append
    finally:
        is_over.set()
        writing.join()


def _write(latest: deque[str], is_over: Event, pause: float) -> None:
    start = time.monotonic()
    while not is_over.wait(pause):
        tqdm.write(f"{latest[0]} ({time.monotonic() - start:.0f} s)", file=sys.stderr)


def train(frame: Frame, split: Split, job: Job, models: Path, *, tell: Tell) -> tuple[Path, Manifest]:
    """Fit all candidates, calibrate the best one, measure it on the test rows, and publish it.

    Returns the version's folder and its manifest. `tell` gets lines about the progress. Raises `Refused`, with nothing
    written, if the model has learnt nothing or its graph is not exact enough.
    """
    training, test = Part.of(frame, split.train), Part.of(frame, split.test)
    held = None if split.calibration is None else Part.of(frame, split.calibration)
    fitted = fit(training.numbers, training.texts, training.classes, seed=job.seed, on_epoch=tell)
    if held is not None:
        fitted = with_temperature(fitted, held)
    tell("calibration, figures and card")
    exported = export(fitted, training, held, test, seed=job.seed, is_sampled=job.is_sampled)
    check_learnt(exported.metrics)
    with next_version(models / job.name) as (folder, version):
        (folder / MODEL_FILE).write_bytes(exported.content)
        check_size(folder / MODEL_FILE)
        manifest = manifest_of(version, frame, split, job, fitted, exported)
        describe(folder, manifest, tablecard.card_of(manifest, frame, fitted.chosen, file=job.file))
        pictures.draw_trust(folder, exported.evaluation)
    return models / job.name / str(version), manifest


def with_temperature(fitted: Fitted, held: Part) -> Fitted:
    """Return a model with the temperature that has the lowest loss on rows that it has not seen."""
    logits = np.concatenate([fitted.logits(each.numbers, each.texts) for each in _blocks(held)]) * fitted.temperature
    return replace(fitted, chosen=replace(fitted.chosen, temperature=fit_temperature(logits, held.classes)))


def _blocks(part: Part) -> Iterator[Part]:
    for start in range(0, len(part), BLOCK):
        yield part.chosen(slice(start, start + BLOCK))


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """The bytes of a graph, with its calibration, its evaluation and its metrics."""

    content: bytes
    calibration: Calibration
    evaluation: Evaluation
    metrics: dict[str, float]


def export(
    fitted: Fitted, training: Part, held: Part | None, test: Part, *, seed: int, is_sampled: bool = True
) -> Exported:
    """Return the graph of a model, with the calibration by the rows held back, measured on the test rows.

    Without rows held back the training rows calibrate, each by models that have not seen it. If they may be sampled,
    the graph has some for the typicality where that pays. Raises `Refused` if the graph and Python differ by more than
    roundings can explain.
    """
    cells = training.numbers, training.texts, training.classes, fitted.encoder
    typicality = TableTypicality.of(*cells, points=points_that_pay(*cells) if is_sampled else 0)
    content = graph_of(fitted, typicality).SerializeToString(deterministic=True)
    engine = Engine(content, device="cpu")
    if held is None:
        known = out_of_fold(fitted, training, seed, points=typicality.points)
        classes = training.classes[fitted.judged]
    else:
        known, classes = run(engine, held), held.classes
    calibration = calibrate(known, classes, fitted.temperature)
    outputs = run(engine, test)
    typicality.check(outputs[ATYPICALITY], test.numbers, test.texts)
    metrics = {
        **measure(outputs, test.classes, fitted.temperature),
        **strangeness(typicality, training, test),
        "max_drift": check_graph(engine, fitted, test.numbers, test.texts),
        "out_of_fold_loss": fitted.chosen.loss,
        "shares_loss": loss_of_shares(training, test),
    }
    return Exported(content, calibration, evaluate(outputs, test.classes, calibration), metrics)


def run(engine: Engine, part: Part) -> Outputs:
    """Return the outputs of a graph for rows."""
    found = [engine.run_inputs(inputs_of(each.numbers, each.texts)) for each in _blocks(part)]
    return {name: np.concatenate([outputs[name] for outputs in found]) for name in found[0]}


def out_of_fold(fitted: Fitted, training: Part, seed: int, *, points: int) -> Outputs:
    """Return logits [n, k] and atypicalities [n] of the training rows, each by models that have not seen the row.

    With `points`, the atypicality is of the nearest of so many rows.
    """
    folds, distances = deal(training.classes, seed=seed), np.empty(len(training))
    for fold in np.unique(folds):
        seen, left = training.chosen(np.flatnonzero(folds != fold)), training.chosen(np.flatnonzero(folds == fold))
        found = TableTypicality.of(seen.numbers, seen.texts, seen.classes, fitted.encoder, points=points)
        distances[folds == fold] = found.distances(left.numbers, left.texts)
    logits = fitted.out_of_fold / fitted.temperature
    return {LOGITS: logits.astype(np.float32), ATYPICALITY: distances[fitted.judged].astype(np.float32)}


def strangeness(typicality: TableTypicality, training: Part, test: Part) -> dict[str, float]:
    """Return how well the typicality tells strange rows, which are made from the test rows, from these.

    The figures of the distance that was not taken are beside it, if there is one.
    """

    def values(rows: Features) -> Array:
        return typicality.values(*cells_of(rows))

    typical = typical_rows(typicality.values, training.numbers, training.texts, training.classes)
    asked = Rows(rows_of(test), test.classes)
    found = strange.measure(typical, asked, values, points=typicality.points)
    other = typicality.other_points(len(training))
    if other or typicality.points:
        measured = strange.measure(typical, asked, values, points=other)
        found |= {strange.OTHER + name: value for name, value in measured.items()}
    return {**found, strange.POINTS: float(typicality.points)}


def manifest_of(version: int, frame: Frame, split: Split, job: Job, fitted: Fitted, exported: Exported) -> Manifest:
    """Return the manifest of a version."""
    seeds = {"seed": job.seed, "data_seed": job.seed}
    provenance = provenance_of(split.counts(), (), command=job.command, data_sha256=frame.sha256, **seeds)
    candidates = {each.name: each.loss for each in fitted.candidates}
    return Manifest(
        name=job.name,
        version=version,
        sha256=hashlib.sha256(exported.content).hexdigest(),
        labels=frame.labels,
        features=features_of(frame, fitted.encoder.categories, split.train),
        metrics=exported.metrics,
        provenance=provenance.model_copy(update={"candidates": candidates}),
        calibration=exported.calibration,
        evaluation=exported.evaluation,
        sample=sample_of(frame, split.train) if job.is_sampled else None,
        notes=fitted.notes,
        missing_words=job.columns.missing,
    )


def sample_of(frame: Frame, places: Classes) -> Sample | None:
    """Return some of the rows at these places for a picture; None unless they are two numbers, and none is missing."""
    if frame.text_names or len(frame.number_names) != PLANE or not np.isfinite(frame.numbers).all():
        return None
    return sample(Rows(frame.numbers[places], frame.classes[places]))


def check_learnt(metrics: Mapping[str, float]) -> None:
    """Raise `Refused` if the model is no better than always answering with the labels' shares."""
    loss, floor = metrics["test_loss"], metrics["shares_loss"]
    if not loss < floor:
        raise Refused(
            f"the model has learnt nothing: its loss on the test rows is {loss:.3f}, and always answering with the"
            f" labels' shares has {floor:.3f}"
        )


def loss_of_shares(training: Part, test: Part) -> float:
    """Return the loss on the test rows, in nats, of always answering with each label's share of the training rows."""
    shares = np.bincount(training.classes) / len(training)
    return float(-np.log(shares[test.classes]).mean())
