"""The article's classifier of four blobs, from its data to a published version: read from top to bottom."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import keras
import numpy as np

from softmaxd.models.manifest import MODEL_FILE, Manifest, Provenance
from softmaxd.models.publishing import describe, next_version
from softmaxd.numerics.softmax import Floats
from softmaxd_training import card, fresh, gaussians, networks, pictures
from softmaxd_training.export import Exported, check_export, export
from softmaxd_training.gaussians import SIGMA
from softmaxd_training.provenance import provenance_of
from softmaxd_training.rows import Parts, Rows, ranges, sample
from softmaxd_training.seeds import Run, choose, fit_seeds

NAME = "blobs"
LABELS = ("blob-0", "blob-1", "blob-2", "blob-3")
FEATURES = ("x1", "x2")
DATA_SEED = 7
ROWS, TEST_ROWS, LEFT_ROWS = 1_000, 250, 150  # left: the article's validation rows, 20 % of those not for testing
CALIBRATION_SEED, CALIBRATION_ROWS = 8, 1_000
CHOICE_SEED, TEMPERATURE_SEED, DRAWN_ROWS = 9, 10, 100_000  # that choose a network, and fit its temperature
FAR = (15.0, 200.0)  # a point far away from all others

BATCH = 5
MIN_ACCURACY = 0.97  # on the test rows


def make_data(sigma: float = SIGMA) -> Parts:
    """Draw the article's 1,000 points around four centres, in its order, and others from the same clouds.

    The article also passes `n_features=num_classes` and `center_box`, which scikit-learn ignores if the centres are
    given. Keras' `validation_split=0.2` takes the last 150 rows for validation. They are left out here: of so few, one
    makes up nearly all of the loss, so the choice of a network, and the temperature, have rows that are drawn anew.
    """
    again = partial(gaussians.draw, DRAWN_ROWS, sigma=sigma)
    rows = gaussians.draw(ROWS, seed=DATA_SEED, sigma=sigma)
    return Parts(
        train=rows.part(TEST_ROWS, ROWS - LEFT_ROWS),
        validation=again(seed=CHOICE_SEED),
        calibration=gaussians.draw(CALIBRATION_ROWS, seed=CALIBRATION_SEED, sigma=sigma),
        test=rows.part(0, TEST_ROWS),
        temperature=again(seed=TEMPERATURE_SEED),
    )


def build_network() -> keras.Model:
    """Build the article's network, features [n, 2] → probabilities [n, 4].

    The article's last layer, Dense 4 with softmax, is two layers here, so that the graph can give the logits, too.
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


def fit(parts: Parts, *, epochs: int, seed: int, on_epoch: Callable[[], object]) -> Run:
    """Train one network; `on_epoch` is called after each epoch. The same seed gives the same weights."""
    networks.fix_seed(seed)
    network = build_network()
    history = networks.fit(network, parts, batch=BATCH, epochs=epochs, on_epoch=on_epoch)
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
    command = f"softmaxd train blobs --seeds {seeds} --epochs {epochs}"
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
        manifest = manifest_of(version, parts, best, exported, provenance)
        describe(folder, manifest, card.of_blobs(manifest, epochs=epochs, far=measure_far(exported)))
        draw(folder, parts.train, runs, best)
        pictures.draw_trust(folder, exported.evaluation)
    return models / NAME / str(version), manifest


def manifest_of(version: int, parts: Parts, run: Run, exported: Exported, provenance: Provenance) -> Manifest:
    """Return the manifest of a version."""
    truth = compare_with_truth(exported, parts.test)
    expected = fresh.measure(exported.engine.run, exported.calibration, known_loss=card.ARTICLE_LOSS)
    return Manifest(
        name=NAME,
        version=version,
        sha256=exported.sha256,
        labels=LABELS,
        features=ranges(parts.train.features, FEATURES),
        metrics={**exported.metrics, "validation_loss": run.validation_loss, **truth, **expected},
        provenance=provenance,
        calibration=exported.calibration,
        evaluation=exported.evaluation,
        sample=sample(parts.train),
        notes=("The rows for validation, calibration and temperature are drawn anew, with the seeds 9, 8 and 10.",),
    )


def compare_with_truth(exported: Exported, test: Rows, sigma: float = SIGMA) -> dict[str, float]:
    """Return the metrics that need the true probabilities of the rows; `_before` is before calibration."""
    outputs = exported.engine.run(test.features)
    logits: Floats = outputs["logits"].astype(np.float64)
    before = logits * exported.calibration.temperature
    found, true = exported.calibration.typicality(outputs["atypicality"]), gaussians.exceedance(test.features, sigma)
    return {
        "bayes_loss": gaussians.bayes_loss(test, sigma),
        "divergence": gaussians.divergence(logits, test.features, sigma),
        "divergence_before": gaussians.divergence(before, test.features, sigma),
        "posterior_error": gaussians.posterior_error(logits, test.features, sigma),
        "posterior_error_before": gaussians.posterior_error(before, test.features, sigma),
        "typicality_error": float(np.abs(found - true).max()),
    }


def measure_far(exported: Exported) -> tuple[float, float]:
    """Return the highest probability and the typicality of a point that is far away from all others."""
    outputs = exported.engine.run(np.array([FAR], dtype=np.float32))
    return float(outputs["probabilities"].max()), float(exported.calibration.typicality(outputs["atypicality"])[0])


def draw(folder: Path, rows: Rows, runs: Sequence[Run], best: Run) -> None:
    """Draw the pictures that only the blobs have: the training rows, all histories and the decision regions."""
    pictures.draw_data(folder / "data.png", rows.features, rows.classes, LABELS)
    pictures.draw_history(folder / "history.png", {run.seed: run.history for run in runs}, chosen=best.seed, floor=0.9)
    pictures.draw_regions(
        folder / "regions.png",
        rows.features,
        rows.classes,
        LABELS,
        predict=lambda features: np.asarray(best.network(features)),
    )
