"""A classifier of pictures of handwritten digits, from its data to a published version: read from top to bottom."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from softmaxd.models.features import Feature
from softmaxd.models.manifest import MODEL_FILE, Manifest, Provenance
from softmaxd.models.publishing import describe, next_version
from softmaxd_training import card, networks, pictures
from softmaxd_training.export import Exported, check_export, export
from softmaxd_training.provenance import provenance_of
from softmaxd_training.rows import Parts, Rows
from softmaxd_training.seeds import Run, choose, fit_seeds

NAME = "digits"
LABELS = tuple("0123456789")
SHAPE = (8, 8)
DARKEST = 16.0  # of a pixel; 0 is blank
DATA_SEED = 7
TEST_ROWS, CALIBRATION_ROWS, VALIDATION_ROWS = 360, 360, 180
SHIFTS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0))  # of a training picture, in pixels down and to the right

BATCH = 64
MIN_ACCURACY = 0.97  # on the test rows


def make_data() -> Parts:
    """Return the 1,797 pictures that come with scikit-learn, split at random, with about the same share of each digit.

    E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998.
    """
    digits = load_digits()
    rows = Rows(digits.images.astype(np.float32), digits.target.astype(np.int64))
    rest = np.arange(len(rows))
    parts = []
    for count in (TEST_ROWS, CALIBRATION_ROWS, VALIDATION_ROWS):
        rest, chosen = train_test_split(rest, test_size=count, stratify=rows.classes[rest], random_state=DATA_SEED)
        parts.append(chosen)
    test, calibration, validation, train = (
        Rows(rows.features[chosen], rows.classes[chosen]) for chosen in map(np.sort, [*parts, rest])
    )
    return Parts(train=train, validation=validation, calibration=calibration, test=test)


def shifted(rows: Rows) -> Rows:
    """Return each picture [8, 8] as it is, and moved by one pixel in each direction."""
    padded = np.pad(rows.features, ((0, 0), (1, 1), (1, 1)))
    height, width = SHAPE
    moved = [padded[:, 1 - down : 1 - down + height, 1 - right : 1 - right + width] for down, right in SHIFTS]
    return Rows(np.concatenate(moved), np.tile(rows.classes, len(SHIFTS)))


def build_network() -> keras.Model:
    """Build a small convolutional network, features [n, 8, 8] → probabilities [n, 10]."""
    keras.utils.clear_session()
    return keras.Sequential(
        [
            keras.Input(SHAPE, name="features"),
            keras.layers.Reshape((*SHAPE, 1), name="picture"),
            keras.layers.Rescaling(1 / DARKEST, name="rescaled"),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu", name="convolution_1"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu", name="convolution_2"),
            keras.layers.MaxPooling2D(name="pooled"),
            keras.layers.Dropout(0.25, name="dropout_1"),
            keras.layers.Conv2D(32, 3, activation="relu", name="convolution_3"),
            keras.layers.Flatten(name="flat"),
            keras.layers.Dropout(0.5, name="dropout_2"),
            keras.layers.Dense(len(LABELS), name="logits"),
            keras.layers.Softmax(name="probabilities"),
        ],
        name=NAME,
    )


def fit(parts: Parts, *, epochs: int, seed: int, on_epoch: Callable[[], object]) -> Run:
    """Train one network; `on_epoch` is called after each epoch. The same seed gives the same weights."""
    networks.fix_seed(seed)
    network = build_network()
    enlarged = replace(parts, train=shifted(parts.train))
    history = networks.fit(network, enlarged, batch=BATCH, epochs=epochs, on_epoch=on_epoch)
    return Run(seed, network, history, networks.loss_of(network, parts.validation))


def train(models: Path, *, seeds: int, epochs: int) -> tuple[Path, Manifest]:
    """Train networks, choose one by the validation rows, calibrate it, measure it on the test rows, and publish it.

    Returns the version's folder and its manifest. Raises `Refused`, with nothing written, if the network or its ONNX
    file is not good enough.
    """
    parts = make_data()
    check = partial(check_export, parts=parts)
    runs = fit_seeds(partial(fit, parts, epochs=epochs), range(seeds), epochs=epochs, check=check)
    best, results = choose(runs, parts.test, least_accuracy=MIN_ACCURACY)
    command = f"softmaxd train digits --seeds {seeds} --epochs {epochs}"
    provenance = provenance_of(
        parts.counts(),
        results,
        command=command,
        seed=best.seed,
        data_seed=DATA_SEED,
        data_sha256=parts.sha256(),
    )
    with next_version(models / NAME) as (folder, version):
        exported = export(best.network, parts, folder / MODEL_FILE)
        manifest = manifest_of(version, best, exported, provenance)
        describe(folder, manifest, card.of_digits(manifest, epochs=epochs))
        probabilities = exported.engine.run(parts.test.features)["probabilities"]
        pictures.draw_answers(folder / "answers.png", parts.test.features, parts.test.classes, probabilities, LABELS)
        histories = {run.seed: run.history for run in runs}
        pictures.draw_history(folder / "history.png", histories, chosen=best.seed, floor=0.9)
        pictures.draw_trust(folder, exported.evaluation)
    return models / NAME / str(version), manifest


def manifest_of(version: int, run: Run, exported: Exported, provenance: Provenance) -> Manifest:
    """Return the manifest of a version."""
    return Manifest(
        name=NAME,
        version=version,
        sha256=exported.sha256,
        labels=LABELS,
        features=(Feature(name="image", min=0.0, max=DARKEST, shape=SHAPE),),
        metrics={**exported.metrics, "validation_loss": run.validation_loss},
        provenance=provenance,
        calibration=exported.calibration,
        evaluation=exported.evaluation,
        notes=("Typicality compares the 64 pixels of a picture with those of the training pictures.",),
    )
