"""A classifier of the rows of a table, from its file to a published version: read from top to bottom."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from softmaxd.errors import Refused
from softmaxd.models.manifest import MODEL_FILE, Manifest, SeedResult
from softmaxd.models.publishing import describe, next_version
from softmaxd_training import card, networks, pictures
from softmaxd_training.export import Exported, export
from softmaxd_training.networks import History
from softmaxd_training.provenance import provenance_of
from softmaxd_training.rows import Parts, Rows, ranges, sample
from softmaxd_training.tablefile import Table

HIDDEN = (32, 16)
BATCH = 16
PATIENCE = 50  # epochs without a lower validation loss, after which training stops


@dataclass(frozen=True, slots=True)
class Job:
    """One training: the table's file, its target column, the model's name, and the options.

    `is_sampled` lets the manifest have a sample of the training rows, if they have two features.
    """

    file: str
    target: str
    name: str
    seed: int
    epochs: int
    is_sampled: bool = True

    @property
    def command(self) -> str:
        """The command line that does this training again."""
        words = ["table", self.file, "--target", self.target, "--name", self.name]
        more = "" if self.is_sampled else " --no-sample"
        return f"softmaxd train {shlex.join(words)} --seed {self.seed} --epochs {self.epochs}{more}"


@dataclass(frozen=True, slots=True)
class Run:
    """A trained network with the weights of the epoch `kept`, and its loss on the validation rows in nats."""

    network: keras.Model
    history: History
    kept: int
    validation_loss: float


def build_network(train: Rows, classes: int) -> keras.Model:
    """Build a small network, features [n, d] → probabilities [n, classes].

    Its first layer standardises the features with the mean and the variance of the training rows.
    """
    keras.utils.clear_session()
    inputs = keras.Input((train.features.shape[1],), name="features")
    standardise = keras.layers.Normalization(name="standardised")
    standardise.adapt(train.features)
    # Arrays become constants of the exported graph; tensors would become additional inputs.
    standardise.mean, standardise.variance = np.asarray(standardise.mean), np.asarray(standardise.variance)
    values = standardise(inputs)
    for number, units in enumerate(HIDDEN, start=1):
        layer = keras.layers.Dense(units, activation="relu", kernel_initializer="he_uniform", name=f"hidden_{number}")
        values = layer(values)
    logits = keras.layers.Dense(classes, name="logits")(values)
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits), name="table")


def fit(parts: Parts, classes: int, *, seed: int, epochs: int, on_epoch: Callable[[], object]) -> Run:
    """Train until the validation loss stops falling, and keep the weights of the epoch where it was lowest.

    `on_epoch` is called after each epoch. The same seed gives the same weights.
    """
    networks.fix_seed(seed)
    network = build_network(parts.train, classes)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE, restore_best_weights=True)
    history = networks.fit(network, parts, batch=BATCH, epochs=epochs, on_epoch=on_epoch, callbacks=[stopping])
    kept = 1 + int(np.argmin(history["val_loss"]))
    return Run(network, history, kept, networks.loss_of(network, parts.validation))


def train(table: Table, parts: Parts, job: Job, models: Path) -> tuple[Path, Manifest]:
    """Train a network, calibrate it, measure it on the test rows, and publish it.

    Returns the version's folder and its manifest. Raises `Refused`, with nothing written, if the network has learnt
    nothing or its ONNX file is not good enough.
    """
    with tqdm(total=job.epochs, desc="epochs", unit="epoch", disable=None) as bar:
        run = fit(parts, len(table.labels), seed=job.seed, epochs=job.epochs, on_epoch=bar.update)
    result = measure(run, parts.test, seed=job.seed)
    with next_version(models / job.name) as (folder, version):
        exported = export(run.network, parts, folder / MODEL_FILE)
        manifest = manifest_of(version, table, parts, job, result, exported)
        check_learnt(manifest)
        text = card.of_table(manifest, file=job.file, target=job.target, epochs=job.epochs, kept=run.kept)
        describe(folder, manifest, text)
        pictures.draw_history(folder / "history.png", {job.seed: run.history}, chosen=job.seed, kept=run.kept)
        pictures.draw_trust(folder, exported.evaluation)
    return models / job.name / str(version), manifest


def measure(run: Run, test: Rows, *, seed: int) -> SeedResult:
    """Return the losses in nats and the accuracy of a run, before calibration."""
    return SeedResult(
        seed=seed,
        validation_loss=run.validation_loss,
        test_loss=networks.loss_of(run.network, test),
        test_accuracy=networks.accuracy_of(run.network, test),
    )


def manifest_of(version: int, table: Table, parts: Parts, job: Job, result: SeedResult, exported: Exported) -> Manifest:
    """Return the manifest of a version."""
    losses = {"validation_loss": result.validation_loss, "shares_loss": loss_of_shares(parts)}
    return Manifest(
        name=job.name,
        version=version,
        sha256=exported.sha256,
        labels=table.labels,
        features=ranges(parts.train.features, table.names),
        metrics={**exported.metrics, **losses},
        provenance=provenance_of(
            parts, (result,), command=job.command, seed=job.seed, data_seed=job.seed, data_sha256=table.sha256
        ),
        calibration=exported.calibration,
        evaluation=exported.evaluation,
        sample=sample(parts.train) if job.is_sampled else None,
    )


def check_learnt(manifest: Manifest) -> None:
    """Raise `Refused` if the model is no better than always answering with the labels' shares."""
    loss, floor = manifest.metrics["test_loss"], manifest.metrics["shares_loss"]
    if not loss < floor:
        raise Refused(
            f"the network has learnt nothing: its loss on the test rows is {loss:.3f}, and always answering with the"
            f" labels' shares has {floor:.3f}"
        )


def loss_of_shares(parts: Parts) -> float:
    """Return the loss on the test rows, in nats, of always answering with each label's share of the training rows."""
    shares = np.bincount(parts.train.classes) / len(parts.train)
    return float(-np.log(shares[parts.test.classes]).mean())
