"""Calibrates a model that exists, whoever trained it, on rows that it has not seen: read from top to bottom."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from softmaxd.adding.calibrated import with_calibration
from softmaxd.errors import Refused
from softmaxd.models.calibration import Calibration, Evaluation
from softmaxd.models.features import INPUT, Feature
from softmaxd.models.manifest import MODEL_FILE, Manifest
from softmaxd.models.onnxfile import check_size
from softmaxd.models.outputs import Array, Features
from softmaxd.models.publishing import describe, next_version
from softmaxd.numerics.softmax import Floats, Softmax
from softmaxd_training import calibrated_card, strange, templates
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.calibration import calibrate, effect_of, evaluate, figures, fit_with_zeros, measure, reliability
from softmaxd_training.matching import read_rows
from softmaxd_training.outputs import finite_outputs_of
from softmaxd_training.rows import LEAST_CALIBRATION_ROWS, Classes, Rows
from softmaxd_training.typical import check_width, note_of, numbers_of, typical_of

SHOWN_COVERAGE = 0.9
LEAST_RISE = 1e-4  # of the loss, in nats, that is remarked


@dataclass(frozen=True, slots=True)
class Job:
    """One calibration: a table, its column of labels, and a seed.

    `training` is another table for the typicality, `typicality_of` the tensor that has it, if they are given.
    """

    file: Path
    target: str
    training: Path | None = None
    seed: int = 0
    typicality_of: str | None = None

    @property
    def words(self) -> list[str]:
        """The words of a command line that ask for it, but for the seed."""
        words = [self.file.name, "--target", self.target]
        words += [] if self.training is None else ["--training", self.training.name]
        words += [] if self.typicality_of is None else ["--typicality-of", self.typicality_of]
        return words


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Rows by their use; no row is in two parts. `typical` gives means and covariance, `notes` tell of the files."""

    typical: Rows
    calibration: Rows
    test: Rows
    notes: tuple[str, ...]

    def counts(self) -> Mapping[str, int]:
        """Return the number of rows of each part, by its use."""
        return {"typicality": len(self.typical), "calibration": len(self.calibration), "testing": len(self.test)}


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A model's file, its manifest but for the version, and how its probabilities were changed now."""

    content: bytes
    manifest: Manifest
    added: float  # to each probability before its logits were divided by the temperature
    rows: Mapping[str, int]

    @property
    def temperature(self) -> float:
        """The number by which the logits were divided now."""
        assert self.manifest.calibration is not None
        return self.manifest.calibration.temperature

    def card(self, job: Job, version: int) -> str:
        """Return the card of a version."""
        manifest = self.manifest.model_copy(update={"version": version})
        names = {"file": job.file.name, "target": job.target}
        return calibrated_card.card_of(manifest, **names, added=self.added, rows=self.rows)


def recalibrate(content: bytes, manifest: Manifest, job: Job, origin: str) -> Calibrated:
    """Return a model with temperature, atypicality, scores and figures of the rows of a table.

    `content` is the file of the model that `manifest` describes; `origin` tells in its notes how this was done. Raises
    `Refused` if the rows are not the model's, too few, or such that the model cannot run them.
    """
    parts = read_parts(job, manifest)
    before, tested_before = (
        finite_outputs_of(content, manifest, rows.features)["logits"].astype(np.float64)
        for rows in (parts.calibration, parts.test)
    )
    temperature, added = fit_with_zeros(before, parts.calibration.classes)
    source, typical = typical_of(content, manifest, job.typicality_of, parts.typical)
    distance = Atypicality.of(typical)
    distances = (distance.centre, distance.whitening, distance.means)
    changed = with_calibration(content, temperature, distances, added=added, source=source)
    notes = parts.notes if source.name == INPUT else (*parts.notes, note_of(source, len(distance.centre)))
    described = manifest.model_copy(
        update={
            "features": _with_ranges(manifest, parts.typical.features),
            "sha256": hashlib.sha256(changed).hexdigest(),
            "notes": (*manifest.notes, origin, *notes),
        }
    )
    known, tested = (finite_outputs_of(changed, described, rows.features) for rows in (parts.calibration, parts.test))
    calibration = calibrate(known, parts.calibration.classes, temperature)
    evaluation, metrics = _measured(tested, tested_before, parts.test.classes, calibration)
    tensor = source.name if manifest.tensors else job.typicality_of
    metrics |= strange.measure(typical, parts.test, partial(numbers_of, content, manifest, tensor))
    found = {"metrics": metrics, "evaluation": evaluation, "calibration": calibration}
    found["notes"] = (*described.notes, *_worse(metrics, parts))
    return Calibrated(changed, described.model_copy(update=found), added, parts.counts())


def _measured(
    outputs: Mapping[str, Array], before: Floats, classes: Classes, calibration: Calibration
) -> tuple[Evaluation, dict[str, float]]:
    """Return tables and figures of the test rows; `before` are their logits before calibration."""
    evaluation = evaluate(outputs, classes, calibration)
    metrics = {
        **measure(outputs, classes, 1.0),
        **{f"test_{name}_before": value for name, value in figures(before, classes).items()},
    }
    earlier = reliability(Softmax(before).probabilities, classes)
    return evaluation.model_copy(update={"reliability_before": earlier}), metrics


def _worse(metrics: Mapping[str, float], parts: Parts) -> Sequence[str]:
    """Return a note if the loss rose on the test rows, by as much as its printed digits show."""
    before, after = metrics["test_loss_before"], metrics["test_loss"]
    if after - before < LEAST_RISE:
        return []
    return [
        f"worse: the loss on the {len(parts.test):,} test rows rose from {before:.4f} to {after:.4f}, so these "
        f"{len(parts.calibration):,} calibration rows do not make the probabilities more honest: give more rows"
    ]


def read_parts(job: Job, manifest: Manifest) -> Parts:
    """Return the rows of the tables in parts. Raises `Refused` if they are not the model's or too few.

    A table by itself gives a third each for the typicality, the calibration and the test: a row is more typical of
    means that were made from it than a new row is.
    """
    if job.typicality_of is None:
        check_width(manifest)
    given = read_rows(job.file, job.target, manifest)
    notes = [f"rows of {job.file.name}: SHA-256 {given.sha256}"]
    if job.training is None:
        typical, calibration, test = given.rows.dealt(3, job.seed)
    else:
        others = read_rows(job.training, job.target, manifest)
        typical = others.rows
        notes.append(f"rows of {job.training.name}, for the typicality: SHA-256 {others.sha256}")
        calibration, test = given.rows.dealt(2, job.seed)
    if len(test) < LEAST_CALIBRATION_ROWS:
        raise Refused(
            f"{job.file.name}: it has too few rows, {len(given.rows)}: {len(test)} of them would be for"
            f" testing, and {LEAST_CALIBRATION_ROWS} are needed for that as for a coverage of 95 %"
        )
    if given.by_order:
        notes.append("its columns were taken in the order of the features")
    without = sorted(set(range(len(manifest.labels))) - set(typical.classes.tolist()))
    if without:
        names = ", ".join(manifest.labels[index] for index in without)
        notes.append(f"no row for the typicality has the label {names}: rows with it will not look typical")
    return Parts(typical, calibration, test, tuple(notes))


def _with_ranges(manifest: Manifest, features: Features) -> tuple[Feature, ...]:
    """Return the model's features, with the ranges of these rows where they are numbers without a range."""
    found = _columns(manifest, features)
    return tuple(
        _with_range(feature, found[index]) if feature.min is None or feature.max is None else feature
        for index, feature in enumerate(manifest.features)
    )


def _columns(manifest: Manifest, features: Features) -> Mapping[int, Features]:
    """Return the numbers of these rows by the index of their feature."""
    if manifest.takes_array:
        columns = features.reshape(1, -1) if manifest.depth else features.T
        return dict(enumerate(columns))
    return {
        index: features[tensor.name][:, column]
        for tensor in manifest.tensors
        for column, index in enumerate(tensor.columns)
    }


def _with_range(feature: Feature, values: Features) -> Feature:
    if values.dtype.kind not in "fiu" or np.isnan(values).all():
        return feature
    return feature.model_copy(update={"min": float(np.nanmin(values)), "max": float(np.nanmax(values))})


def publish(calibrated: Calibrated, job: Job, models: Path) -> Path:
    """Publish a calibrated model as the next version of its name; return the version's folder.

    Raises `ModelError` if it is too large.
    """
    name = calibrated.manifest.name
    with next_version(models / name) as (folder, version):
        (folder / MODEL_FILE).write_bytes(calibrated.content)
        check_size(folder / MODEL_FILE)
        describe(folder, calibrated.manifest.model_copy(update={"version": version}), calibrated.card(job, version))
    return models / name / str(version)


def summary(calibrated: Calibrated) -> list[str]:
    """Return the lines that compare the model before and after."""
    metrics, evaluation = calibrated.manifest.metrics, calibrated.manifest.evaluation
    assert evaluation is not None
    accuracy = metrics["test_accuracy"]
    lines = [("on the test rows", "before", "after", "95 % confidence")]
    lines.append(("accuracy", f"{accuracy:.1%}", f"{accuracy:.1%}", _range(metrics, "test_accuracy", ".1%")))
    for name, text in (("loss", "loss, nats"), ("brier", "Brier score"), ("ece", "expected calibration error")):
        figures = (f"{metrics[f'test_{name}_before']:.4f}", f"{metrics[f'test_{name}']:.4f}")
        lines.append((text, *figures, _range(metrics, f"test_{name}", ".4f")))
    lines[-1] = (*lines[-1][:3], f"{_range(metrics, 'test_ece_chance', '.4f')} by chance")
    (covered,) = [row for row in evaluation.prediction_sets if row.coverage == SHOWN_COVERAGE]
    return [
        "rows: " + ", ".join(f"{count:,} for {part}" for part, count in calibrated.rows.items()),
        f"temperature: {calibrated.temperature:.4f}, {_words(calibrated)}",
        *(f"{name:27}{before:>9}{after:>9}  {interval}" for name, before, after, interval in lines),
        f"prediction sets for {covered.coverage:.0%}: {covered.measured:.1%} have the true label; they have"
        f" {covered.labels:.2f} labels on average",
        f"typicality: {evaluation.typicality[0]} of {calibrated.rows['testing']} test rows are in the lowest tenth",
    ]


def _range(metrics: Mapping[str, float], name: str, digits: str) -> str:
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    if low is None or high is None:
        return templates.NOT_ESTIMABLE.format(rows=metrics["test_rows"])
    return f"{low:{digits}} to {high:{digits}}"


def _words(calibrated: Calibrated) -> str:
    if calibrated.added:
        return f"after {calibrated.added:.2g} is added to each probability, because some are 0"
    if calibrated.temperature == 1:
        return "which changes nothing: on the calibration rows no other one helps by more than chance may"
    return f"which {effect_of(calibrated.temperature)}"
