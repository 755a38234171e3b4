"""Draws the pictures of docs/trust.md: `make pictures`. Each shows the answers of a real model; none is a sketch."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier

from softmaxd.models.calibration import Calibration
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import MANIFEST_FILE, MODEL_FILE, Manifest
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax, log_softmax
from softmaxd_training import blobs, gaussians
from softmaxd_training.calibration import calibration_error, fit_temperature, reliability
from softmaxd_training.export import Exported, export
from softmaxd_training.pictures import COLOURS, FAINT, INK, MARKERS, draw_reliability
from softmaxd_training.rows import Parts

FOLDER = Path(__file__).with_name("images")
SIGMA, EPOCHS, SEED = 6.0, 60, 0  # of clouds that overlap
COVERAGE = 0.9
STEPS = 400
DARKEST = 5  # labels in a set, in the darkest colour
SMALLEST = 1e-30  # probability, because ln 0 does not exist
LOGITS = [("cat", 2.0), ("dog", 1.0), ("boat", -1.0)]


def main() -> None:
    """Train the models that the pictures need, and draw."""
    FOLDER.mkdir(exist_ok=True)
    draw_temperature(FOLDER / "temperature.png")
    draw_calibration(FOLDER / "calibration.png")
    parts = blobs.make_data(SIGMA)
    run = blobs.fit(parts, seed=SEED, epochs=EPOCHS, on_epoch=lambda: None)
    with TemporaryDirectory() as folder:
        exported = export(run.network, parts, Path(folder) / MODEL_FILE)
    draw_threshold(FOLDER / "threshold.png", exported, parts)
    draw_sets(FOLDER / "sets.png", exported, parts)
    draw_far(FOLDER / "far.png")


def draw_temperature(path: Path) -> None:
    """Draw the probabilities of the same logits at three temperatures."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    logits = np.array([[logit for _, logit in LOGITS]])
    for axes, temperature in zip(figure.subplots(1, 3, sharey=True), (0.5, 1.0, 3.0), strict=True):
        probabilities = Softmax(logits, temperature).probabilities[0]
        bars = axes.bar([label for label, _ in LOGITS], probabilities, color=COLOURS[:3], width=0.6)
        axes.bar_label(bars, [f"{value:.1%}" for value in probabilities], padding=2, color=INK)
        axes.set(title=f"T = {temperature:g}", ylim=(0, 1.12), yticks=[])
        axes.spines[["top", "right", "left"]].set_visible(False)
    _save(figure, path)


def draw_calibration(path: Path) -> None:
    """Draw the reliability of a network that was trained for too long, before calibration and after it."""
    features, classes = make_classification(22_000, n_informative=8, n_classes=4, random_state=0)
    train, calibration, test = slice(1_000), slice(1_000, 2_000), slice(2_000, None)
    network = MLPClassifier((32,), alpha=0, max_iter=1_000, random_state=0).fit(features[train], classes[train])

    def logits(rows: slice) -> Floats:
        probabilities: Floats = np.maximum(network.predict_proba(features[rows]), SMALLEST)
        return np.log(probabilities)

    temperature = fit_temperature(logits(calibration), classes[calibration])
    before, after = (
        reliability(Softmax(logits(test), number).probabilities, classes[test]) for number in (1.0, temperature)
    )
    print(f"T {temperature:.2f}, error {calibration_error(before):.3f} → {calibration_error(after):.3f}")
    draw_reliability(path, before, after)


def draw_threshold(path: Path, exported: Exported, parts: Parts) -> None:
    """Draw the probabilities of the calibration rows' true labels, and the one that nine in ten reach."""
    rows = parts.calibration
    log_probabilities = _log_probabilities(exported.engine, rows.features)
    true = np.exp(log_probabilities[np.arange(len(rows)), rows.classes])
    sets = exported.calibration.prediction_sets(log_probabilities, COVERAGE)
    least = np.exp(log_probabilities[sets].min())
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, 41).tolist()
    axes.hist([true[true < least], true[true >= least]], edges, stacked=True, color=[FAINT, COLOURS[0]], rwidth=0.9)
    axes.axvline(least, color=COLOURS[1], linewidth=1.5)
    axes.text(
        least + 0.015,
        axes.get_ylim()[1] * 0.8,
        f"nine in ten true labels got at least {least:.1%}:\nso every label with at least {least:.1%} is in the set",
        color=COLOURS[1],
    )
    axes.set(xlabel="Probability that the model gave to the true label", ylabel="Calibration rows", xlim=(0, 1))
    _plain(axes)
    _save(figure, path)


def draw_sets(path: Path, exported: Exported, parts: Parts) -> None:
    """Draw the number of labels in the prediction set of each point of the plane."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    low, high = np.array([-16.0, -18.0]), np.array([46.0, 34.0])
    log_probabilities, extent = _on_grid(low, high, lambda grid: _log_probabilities(exported.engine, grid))
    sizes = exported.calibration.prediction_sets(log_probabilities, COVERAGE).sum(axis=1).reshape(STEPS, STEPS)
    image = axes.imshow(
        sizes, extent=extent, origin="lower", cmap="Blues", vmin=0, vmax=DARKEST, interpolation="nearest"
    )
    for index, label in enumerate(blobs.LABELS):
        rows = parts.train.features[parts.train.classes == index]
        x, y = rows.T
        axes.scatter(x, y, s=9, color=COLOURS[index], marker=MARKERS[index], linewidths=0, label=label)
    for size in range(1, int(sizes.max()) + 1):
        colour = image.cmap(size / DARKEST)
        axes.scatter([], [], s=60, marker="s", color=colour, label=f"{size} label{'s' if size > 1 else ''}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes.set(title="Labels in the prediction set, coverage 90%", xlabel="x1", ylabel="x2")
    axes.set(xlim=extent[:2], ylim=extent[2:])
    _plain(axes)
    _save(figure, path)


def draw_far(path: Path) -> None:
    """Draw the committed model's highest probability and typicality, far beyond its training rows."""
    folder = max((Path(__file__).parent.parent / "models" / blobs.NAME).glob("[0-9]*"), key=lambda each: int(each.name))
    engine, calibration = Engine(folder / MODEL_FILE, device="cpu"), _calibration(folder)
    low, high = np.array([-110.0, -110.0]), np.array([150.0, 220.0])
    outputs, extent = _on_grid(low, high, engine.run)
    highest = outputs["probabilities"].max(axis=1)
    typical = calibration.typicality(outputs["atypicality"])
    figure = Figure(figsize=(8, 4.9), layout="constrained")
    titles = "How sure: highest probability", "How usual: typicality"
    for axes, values, title in zip(figure.subplots(1, 2, sharey=True), (highest, typical), titles, strict=True):
        image = axes.imshow(values.reshape(STEPS, STEPS), extent=extent, origin="lower", cmap="viridis", vmin=0, vmax=1)
        axes.plot(*gaussians.CENTRES.T, "o", color="white", markersize=3, markeredgecolor=INK, markeredgewidth=0.5)
        for x, y in (blobs.FAR, (-100.0, -100.0)):
            axes.plot(x, y, "x", color=COLOURS[1], markersize=7, markeredgewidth=2)
            place = (x, y - 22) if y > 0 else (x + 12, y - 3)
            axes.annotate(f"({x:g}, {y:g})", place, color="white" if axes is figure.axes[1] else INK, ha="left")
        axes.set(title=title, xlabel="x1")
        _plain(axes)
    figure.axes[0].set_ylabel("x2")
    figure.colorbar(image, ax=figure.axes, shrink=0.8, aspect=30)
    _save(figure, path)


def _on_grid(low: Floats, high: Floats, run: Callable[[Array], Any]) -> tuple[Any, tuple[float, float, float, float]]:
    x, y = (np.linspace(low[axis], high[axis], STEPS, dtype=np.float32) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return run(grid), (low[0], high[0], low[1], high[1])


def _log_probabilities(engine: Engine, features: Array) -> Floats:
    return log_softmax(engine.run(features)["logits"].astype(np.float64))


def _calibration(folder: Path) -> Calibration:
    calibration = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes()).calibration
    assert calibration is not None
    return calibration


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
