"""The pictures of a model's card; each function writes one PNG, 1,200 pixels wide."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, PercentFormatter
from scipy.stats import binom, binomtest

from softmaxd.models.calibration import Evaluation, ReliabilityBin
from softmaxd.models.outputs import Array
from softmaxd_training.rows import Classes

# Okabe and Ito's colours, which differ for any colour vision; the markers differ in grey, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKERS = ("o", "s", "^", "D")
INK, FAINT = "#333333", "#c8c8c8"
GRID_STEPS = 600
BANDS = 12
MARGIN = 3.0
HALF = 0.5  # the lower half of a diagram of shares is left out if it is empty


def draw_data(path: Path, features: Array, classes: Classes, labels: Sequence[str]) -> None:
    """Draw the training rows [n, 2], as the article does."""
    figure, axes = _plane("Nonlinear data")
    axes.grid(color=FAINT, linewidth=0.5)
    _scatter(axes, features, classes, labels, size=16)
    axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def draw_history(
    path: Path,
    histories: Mapping[int, Mapping[str, Sequence[float]]],
    *,
    chosen: int,
    kept: int | None = None,
    floor: float = 0.0,
) -> None:
    """Draw loss and accuracy by epoch: the chosen seed in colour, the validation rows of other seeds in grey.

    `kept` is an epoch to mark, `floor` the lowest accuracy on the axis.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for seed, history in histories.items():
            if seed != chosen:
                _curve(axes, history[f"val_{metric}"], FAINT, "validation, other seeds")
        _curve(axes, histories[chosen][metric], COLOURS[0], f"training, seed {chosen}")
        _curve(axes, histories[chosen][f"val_{metric}"], COLOURS[1], f"validation, seed {chosen}")
        if kept is not None:
            axes.axvline(kept, color=INK, linewidth=0.8, linestyle="--", label=f"kept: epoch {kept}")
        axes.set(xlabel="Epoch", title=f"{metric.capitalize()} by epoch")
        axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
        _plain(axes)
    loss, accuracy = figure.axes
    loss.set(yscale="log", ylabel="Cross-entropy in nats, log scale")
    above = f", from {floor:.0%}" if floor else ""
    accuracy.set(ylabel=f"Rows labelled right{above}", ylim=(floor, 1 + 0.05 * (1 - floor)))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    lines = {str(line.get_label()): line for line in accuracy.lines}  # one entry for all grey lines
    accuracy.legend(list(lines.values()), list(lines), loc="lower right", frameon=False)
    _save(figure, path)


def draw_regions(
    path: Path, features: Array, classes: Classes, labels: Sequence[str], *, predict: Callable[[Array], Array]
) -> None:
    """Colour each point of the plane by its most probable label, paler if that label is less probable.

    `predict` gives probabilities [n, k] for features [n, 2]. The training rows are drawn on top.
    """
    low, high = features.min(axis=0) - MARGIN, features.max(axis=0) + MARGIN
    x, y = (np.linspace(low[axis], high[axis], GRID_STEPS, dtype=np.float32) for axis in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    probabilities = predict(grid.reshape(-1, 2)).reshape(GRID_STEPS, GRID_STEPS, -1)
    top = probabilities.max(axis=-1, keepdims=True)
    floor = 1 / len(labels)
    strength = 0.45 * np.round((top - floor) / (1 - floor) * BANDS) / BANDS  # in bands, which compress well
    colours = np.array([to_rgb(colour) for colour in COLOURS])[probabilities.argmax(axis=-1)]

    figure, axes = _plane("Decision regions, paler where the model is less sure")
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    axes.imshow(1 - strength * (1 - colours), extent=extent, origin="lower", interpolation="nearest")
    _scatter(axes, features, classes, labels, size=11)
    for index, label in enumerate(labels):
        centre = features[classes == index].mean(axis=0)
        above = 1 if centre[1] > (low[1] + high[1]) / 2 else -1
        axes.text(centre[0], centre[1] + 5.2 * above, label, ha="center", va="center", color=INK, weight="bold")
    _save(figure, path)


def draw_answers(path: Path, images: Array, classes: Classes, probabilities: Array, labels: Sequence[str]) -> None:
    """Draw images [n, height, width] with the given label and its probability: some right answers, then the wrong ones.

    There is a right one for each label, and a wrong one has the true label before it.
    """
    given = probabilities.argmax(axis=1)
    right = [np.flatnonzero((classes == index) & (given == index))[:1] for index in range(len(labels))]
    wrong = np.flatnonzero(given != classes)[: len(labels)]
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    grid = figure.subplots(2, len(labels))
    for axes in grid.flat:
        axes.axis("off")
    for row, chosen in enumerate((np.concatenate(right), wrong)):
        for axes, index in zip(grid[row], chosen, strict=False):
            axes.imshow(images[index], cmap="Greys", vmin=0, vmax=images.max(), interpolation="nearest")
            mistake = f"{labels[classes[index]]} as " if row else ""
            axes.set_title(
                f"{mistake}{labels[given[index]]}\n{probabilities[index, given[index]]:.0%}",
                fontsize=9,
                color=COLOURS[1] if row else INK,
            )
    figure.suptitle("Above: right answers. Below: the wrong ones of the test rows", fontsize=10)
    _save(figure, path)


def draw_trust(folder: Path, evaluation: Evaluation) -> None:
    """Draw `reliability.png` and `typicality.png`, which every trained model has."""
    draw_reliability(folder / "reliability.png", evaluation.reliability_before, evaluation.reliability)
    draw_typicality(folder / "typicality.png", evaluation.typicality)


def draw_reliability(path: Path, before: Sequence[ReliabilityBin], after: Sequence[ReliabilityBin]) -> None:
    """Draw how often the model is right by how sure it is, before calibration and after it."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    least = min(min(part.confidence, part.accuracy) for part in [*before, *after])
    low = HALF if least > HALF else 0.0
    titles = "Before: as it was trained", "After: with the temperature"
    for axes, bins, title in zip(figure.subplots(1, 2, sharey=True), (before, after), titles, strict=True):
        axes.plot([low, 1], [low, 1], color=INK, linewidth=0.8, linestyle="--", label="as sure as right")
        x, y = [part.confidence for part in bins], [part.accuracy for part in bins]
        axes.plot(
            x, y, "o", color=COLOURS[0], markersize=5, clip_on=False, label="rows that it is about equally sure of"
        )
        ends = zip(*map(_interval, bins), strict=True)
        axes.vlines(x, *ends, color=COLOURS[0], linewidth=1, alpha=0.45, label="95% confidence")
        axes.set(title=title, xlabel="How sure: mean probability", xlim=(low, 1), ylim=(low, 1), aspect="equal")
        axes.grid(color=FAINT, linewidth=0.4, alpha=0.6)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MultipleLocator((1 - low) / 5))
            axis.set_major_formatter(PercentFormatter(1, decimals=0))
        _plain(axes)
    figure.axes[0].set_ylabel("How often right")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def _interval(part: ReliabilityBin) -> tuple[float, float]:
    """Return the 95 % confidence interval of a group's accuracy, by E. B. Wilson's score (JASA 22, 1927)."""
    found = binomtest(round(part.accuracy * part.rows), part.rows).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def draw_typicality(path: Path, counts: Sequence[int]) -> None:
    """Draw the number of rows in each tenth of the typicality, beside the number that chance would give."""
    rows, tenths = sum(counts), len(counts)
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    low, high = binom.ppf([0.025, 0.975], rows, 1 / tenths)
    axes.axhspan(low, high, color=FAINT, alpha=0.5, linewidth=0, label="by chance, 95% of the time")
    axes.axhline(rows / tenths, color=INK, linewidth=0.8, linestyle="--", label="as many in each")
    axes.bar((np.arange(tenths) + 0.5) / tenths, counts, width=0.92 / tenths, color=COLOURS[0], label="test rows")
    axes.set(title="Typicality of the test rows", xlabel="Typicality", ylabel="Rows", xlim=(0, 1))
    axes.set_xticks(np.arange(tenths + 1) / tenths)
    axes.set_ylim(0, 1.35 * max(*counts, high))
    _plain(axes)
    axes.legend(loc="upper center", ncols=3, frameon=False)
    _save(figure, path)


def _curve(axes: Axes, values: Sequence[float], colour: str, label: str) -> None:
    axes.plot(range(1, len(values) + 1), values, color=colour, label=label, linewidth=0.8 if colour == FAINT else 1.6)


def _plane(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel="X1", ylabel="X2", aspect="equal")
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def _scatter(axes: Axes, features: Array, classes: Classes, labels: Sequence[str], *, size: int) -> None:
    for index, label in enumerate(labels):
        rows = features[classes == index]
        axes.scatter(
            rows[:, 0],
            rows[:, 1],
            s=size,
            label=label,
            color=COLOURS[index],
            marker=MARKERS[index],
            edgecolors="white",
            linewidths=0.4,
        )


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150)
