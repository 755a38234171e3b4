"""The article's classifier of four blobs, from its data to a published version: read from top to bottom."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.datasets import make_blobs
from tqdm import tqdm

from service.model import MANIFEST_FILE, MODEL_FILE, Array, Feature, Manifest, Provenance, SeedResult, sha256
from service.publishing import Refused, next_version
from training import card, pictures
from training.publish import check_drift, export, package_versions

NAME = "blobs"
LABELS = ("blob-0", "blob-1", "blob-2", "blob-3")
FEATURES = ("x1", "x2")
CENTRES = np.array([[15, 0], [15, 15], [0, 15], [30, 15]], dtype=np.float64)
SIGMA = 1.5
DATA_SEED = 7
ROWS, TEST_ROWS, VALIDATION_ROWS = 1_000, 250, 150  # validation: 20 % of the 750 that are not for testing

LEARNING_RATE = 0.001
BATCH = 5
MIN_ACCURACY = 0.97

PACKAGES = ("keras", "numpy", "onnx", "onnxruntime", "scikit-learn", "tensorflow", "tf2onnx")

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Points [n, 2] and the blob [n] that each was drawn from."""

    features: Array
    classes: Classes

    def part(self, start: int, end: int) -> "Rows":
        return Rows(self.features[start:end], self.classes[start:end])


@dataclass(frozen=True, slots=True)
class Blobs:
    """The article's points, in its order: the first 250 for testing, the last 150 for validation."""

    train: Rows
    validation: Rows
    test: Rows
    sha256: str


def make_data() -> Blobs:
    """Draw 1,000 points around the four centres.

    The article also passes `n_features=num_classes` and `center_box`, which scikit-learn ignores when the centres
    are given: there are two features, the columns of the centres. Keras' `validation_split=0.2` would take the same
    last 150 rows.
    """
    features, classes = make_blobs(ROWS, centers=CENTRES, cluster_std=SIGMA, random_state=DATA_SEED)
    rows = Rows(features.astype(np.float32), classes.astype(np.int64))
    digest = hashlib.sha256(rows.features.astype("<f4").tobytes() + rows.classes.astype("<i8").tobytes())
    validation_start = ROWS - VALIDATION_ROWS
    return Blobs(
        train=rows.part(TEST_ROWS, validation_start),
        validation=rows.part(validation_start, ROWS),
        test=rows.part(0, TEST_ROWS),
        sha256=digest.hexdigest(),
    )


def build_network() -> keras.Model:
    """Build the article's network, features [n, 2] → probabilities [n, 4].

    The last layer, Dense 4 with softmax, is two layers here, so that the graph can give the logits as well.
    """
    keras.utils.clear_session()
    return keras.Sequential(
        [
            keras.Input((len(FEATURES),), name="features"),
            keras.layers.Dense(12, activation="relu", kernel_initializer="he_uniform", name="hidden_1"),
            keras.layers.Dense(8, activation="relu", kernel_initializer="he_uniform", name="hidden_2"),
            keras.layers.Dense(len(LABELS), name="logits"),
            keras.layers.Softmax(name="probabilities"),
        ],
        name=NAME,
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One network, trained from its own seed; `history` has each metric by epoch."""

    seed: int
    network: keras.Model
    history: dict[str, list[float]]
    validation_loss: float


def fit(blobs: Blobs, *, seed: int, epochs: int, on_epoch: Callable[[], object]) -> Run:
    """Train one network; `on_epoch` is called after each epoch. The same seed gives the same weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    network = build_network()
    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        # an epoch in one call: the same steps and the same weights, 2.7 s instead of 11.3 s for 30 epochs
        steps_per_execution=len(blobs.train.classes) // BATCH,
    )
    history = network.fit(
        blobs.train.features,
        one_hot(blobs.train.classes),
        validation_data=(blobs.validation.features, one_hot(blobs.validation.classes)),
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: on_epoch())],
    )
    return Run(seed, network, history.history, loss_of(network, blobs.validation))


def one_hot(classes: Classes) -> Array:
    return np.eye(len(LABELS), dtype=np.float32)[classes]


def fit_seeds(blobs: Blobs, seeds: Sequence[int], *, epochs: int) -> list[Run]:
    """Train one network a seed; bars on a terminal, and a line for each seed in any case."""
    runs = []
    for seed in tqdm(seeds, desc="seeds", unit="seed", disable=None):
        with tqdm(total=epochs, desc=f"seed {seed}", unit="epoch", leave=False, disable=None) as bar:
            run = fit(blobs, seed=seed, epochs=epochs, on_epoch=bar.update)
        tqdm.write(f"seed {seed}: validation loss {run.validation_loss:.6f}", file=sys.stderr)
        runs.append(run)
    return runs


def cross_entropy(logits: npt.NDArray[np.floating], classes: Classes) -> float:
    """Return the mean of -log softmax(logits)[class] over the rows, in nats: logits [n, k], classes [n].

    In float64, and from the logits: from float32 probabilities no loss below 6e-8 could be told from 0.
    """
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(classes)), classes]
    return float(losses.mean())


def loss_of(network: keras.Model, rows: Rows) -> float:
    logits = keras.Model(network.inputs[0], network.get_layer("logits").output)
    return cross_entropy(np.asarray(logits(rows.features)), rows.classes)


def accuracy_of(network: keras.Model, rows: Rows) -> float:
    predicted = np.asarray(network(rows.features)).argmax(axis=1)
    return float((predicted == rows.classes).mean())


def bayes_loss(rows: Rows) -> float:
    """Return the lowest loss that any classifier can expect on these rows, from the true posterior.

    For equally likely Gaussians with one variance it is softmax(-‖x − c‖² / 2σ²) (Bishop, "Pattern recognition and
    machine learning", 2006, 4.2.1).
    """
    distances = ((rows.features.astype(np.float64)[:, None] - CENTRES) ** 2).sum(axis=2)
    return cross_entropy(-distances / (2 * SIGMA**2), rows.classes)


def train(models: Path, *, seeds: int, epochs: int) -> tuple[Path, Manifest]:
    """Train, choose by the validation rows, measure on the test rows, and publish.

    Returns the version's folder and its manifest. Raises `Refused`, with nothing written, when the network or its
    ONNX file is not good enough.
    """
    blobs = make_data()
    runs = fit_seeds(blobs, range(seeds), epochs=epochs)
    best = min(runs, key=lambda run: run.validation_loss)

    # The choice is made: only now are the test rows looked at, once for each seed.
    results = tuple(measure(run, blobs.test) for run in runs)
    chosen = results[best.seed]  # the seeds count from 0
    if chosen.test_accuracy < MIN_ACCURACY:
        raise Refused(f"the test accuracy {chosen.test_accuracy:.1%} is below {MIN_ACCURACY:.0%}")

    origin = Provenance(
        command=f"python -m training --seeds {seeds} --epochs {epochs}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=best.seed,
        data_seed=DATA_SEED,
        data_sha256=blobs.sha256,
        rows={"train": len(blobs.train.classes), "validation": VALIDATION_ROWS, "test": TEST_ROWS},
        seeds=results,
        packages=package_versions(PACKAGES),
    )
    with next_version(models / NAME) as (folder, version):
        export(best.network, folder / MODEL_FILE)
        drift = check_drift(best.network, folder / MODEL_FILE, blobs.test.features)
        manifest = Manifest(
            name=NAME,
            version=version,
            sha256=sha256(folder / MODEL_FILE),
            labels=LABELS,
            features=ranges(blobs.train.features),
            metrics={
                "test_accuracy": chosen.test_accuracy,
                "test_loss": chosen.test_loss,
                "bayes_loss": bayes_loss(blobs.test),
                "test_rows": TEST_ROWS,
                "validation_loss": chosen.validation_loss,
                "max_drift": drift,
            },
            provenance=origin,
        )
        (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        far = float(np.max(best.network(np.array([[15, 200]], dtype=np.float32))))
        text = card.render(manifest, origin, epochs=epochs, far=far)
        (folder / "card.md").write_text(text, encoding="utf-8")
        draw(folder, blobs.train, runs, best)
    return models / NAME / str(version), manifest


def measure(run: Run, test: Rows) -> SeedResult:
    return SeedResult(
        seed=run.seed,
        validation_loss=run.validation_loss,
        test_loss=loss_of(run.network, test),
        test_accuracy=accuracy_of(run.network, test),
    )


def ranges(features: Array) -> tuple[Feature, ...]:
    low, high = features.min(axis=0), features.max(axis=0)
    return tuple(Feature(name=name, min=float(low[i]), max=float(high[i])) for i, name in enumerate(FEATURES))


def draw(folder: Path, rows: Rows, runs: Sequence[Run], best: Run) -> None:
    pictures.draw_data(folder / "data.png", rows.features, rows.classes, LABELS)
    pictures.draw_history(folder / "history.png", {run.seed: run.history for run in runs}, chosen=best.seed)
    pictures.draw_regions(
        folder / "regions.png",
        rows.features,
        rows.classes,
        LABELS,
        predict=lambda features: np.asarray(best.network(features)),
    )
