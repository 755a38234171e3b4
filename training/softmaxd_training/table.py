"""A classifier of the rows of a table, from its file to a published version: read from top to bottom."""

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from softmaxd.models.manifest import MODEL_FILE, Manifest, Provenance, SeedResult, sha256
from softmaxd.models.publishing import Refused, describe, next_version
from softmaxd_training import card, pictures
from softmaxd_training.export import Made, make_model, package_versions
from softmaxd_training.networks import loss_of
from softmaxd_training.rows import Parts, Rows, one_hot, ranges
from softmaxd_training.tablefile import Table

HIDDEN = (32, 16)
LEARNING_RATE = 0.001
BATCH = 16
PATIENCE = 50  # epochs without a lower validation loss, after which it stops


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, and from what."""

    file: str
    target: str
    name: str
    seed: int
    epochs: int

    @property
    def command(self) -> str:
        words = ["table", self.file, "--target", self.target, "--name", self.name]
        return f"python -m training {shlex.join(words)} --seed {self.seed} --epochs {self.epochs}"


@dataclass(frozen=True, slots=True)
class Run:
    """A trained network, with the weights that it had after the epoch `kept`; `history` has each metric by epoch."""

    network: keras.Model
    history: dict[str, list[float]]
    kept: int
    validation_loss: float


def build_network(train: Rows, classes: int) -> keras.Model:
    """Build a small network, features [n, d] → probabilities [n, classes].

    It begins by standardising the features, with the mean and the spread of the training rows.
    """
    keras.utils.clear_session()
    inputs = keras.Input((train.features.shape[1],), name="features")
    standardise = keras.layers.Normalization(name="standardised")
    standardise.adapt(train.features)
    # arrays become constants of the exported graph; tensors would become more inputs of it
    standardise.mean, standardise.variance = np.asarray(standardise.mean), np.asarray(standardise.variance)
    values = standardise(inputs)
    for number, units in enumerate(HIDDEN, start=1):
        layer = keras.layers.Dense(units, activation="relu", kernel_initializer="he_uniform", name=f"hidden_{number}")
        values = layer(values)
    logits = keras.layers.Dense(classes, name="logits")(values)
    return keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits), name="table")


def fit(parts: Parts, classes: int, *, seed: int, epochs: int, on_epoch: Callable[[], object]) -> Run:
    """Train until the validation loss has long been no lower, and return to where it was lowest.

    `on_epoch` is called after each epoch. The same seed gives the same weights.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    network = build_network(parts.train, classes)
    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=math.ceil(len(parts.train) / BATCH),  # an epoch in one call, as for blobs
    )
    history = network.fit(
        parts.train.features,
        one_hot(parts.train.classes, classes),
        validation_data=(parts.validation.features, one_hot(parts.validation.classes, classes)),
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE, restore_best_weights=True),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: on_epoch()),
        ],
    )
    kept = 1 + int(np.argmin(history.history["val_loss"]))
    return Run(network, history.history, kept, loss_of(network, parts.validation))


def train(table: Table, parts: Parts, job: Job, models: Path) -> tuple[Path, Manifest]:
    """Train, calibrate, measure on the test rows, and publish.

    Returns the version's folder and its manifest. Raises `Refused`, with nothing written, when the network has learnt
    nothing or its ONNX file is not good enough.
    """
    with tqdm(total=job.epochs, desc="epochs", unit="epoch", disable=None) as bar:
        run = fit(parts, len(table.labels), seed=job.seed, epochs=job.epochs, on_epoch=bar.update)
    uncalibrated = loss_of(run.network, parts.test)
    with next_version(models / job.name) as (folder, version):
        made = make_model(run.network, parts, folder / MODEL_FILE)
        manifest = Manifest(
            name=job.name,
            version=version,
            sha256=sha256(folder / MODEL_FILE),
            labels=table.labels,
            features=ranges(parts.train.features, table.names),
            metrics={**made.metrics, "validation_loss": run.validation_loss, "shares_loss": loss_of_shares(parts)},
            provenance=origin(table, parts, job, measured(run, job, uncalibrated, made)),
            calibration=made.calibration,
            evaluation=made.evaluation,
        )
        check_learnt(manifest)
        text = card.of_table(manifest, file=job.file, target=job.target, epochs=job.epochs, kept=run.kept)
        describe(folder, manifest, text)
        pictures.draw_history(folder / "history.png", {job.seed: run.history}, chosen=job.seed, kept=run.kept)
        pictures.draw_trust(folder, made.evaluation)
    return models / job.name / str(version), manifest


def check_learnt(manifest: Manifest) -> None:
    """Raise `Refused` when the model is no better than one that knows how frequent each label is, and nothing else."""
    loss, floor = manifest.metrics["test_loss"], manifest.metrics["shares_loss"]
    if not loss < floor:
        raise Refused(
            f"the loss on the test rows, {loss:.3f}, is not below {floor:.3f},"
            " that of always answering with the labels' shares: nothing was learnt"
        )


def loss_of_shares(parts: Parts) -> float:
    """Return the loss on the test rows of always answering with each label's share of the training rows."""
    shares = np.bincount(parts.train.classes) / len(parts.train)
    return float(-np.log(shares[parts.test.classes]).mean())


def measured(run: Run, job: Job, test_loss: float, made: Made) -> SeedResult:
    accuracy = made.metrics["test_accuracy"]
    return SeedResult(seed=job.seed, validation_loss=run.validation_loss, test_loss=test_loss, test_accuracy=accuracy)


def origin(table: Table, parts: Parts, job: Job, result: SeedResult) -> Provenance:
    return Provenance(
        command=job.command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=job.seed,
        data_seed=job.seed,
        data_sha256=table.sha256,
        rows=parts.counts(),
        seeds=(result,),
        packages=package_versions(),
    )
