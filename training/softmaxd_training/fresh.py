"""Measures a classifier of the clouds on many rows that are drawn anew: the figures that its next rows will have."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from softmaxd.models.calibration import Calibration
from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax, log_softmax
from softmaxd_training import gaussians
from softmaxd_training.calibration import COVERAGES, covered
from softmaxd_training.chance import share_by_chance
from softmaxd_training.gaussians import SIGMA
from softmaxd_training.rows import Rows

BLOCKS, BLOCK_ROWS = 10, 100_000  # of each block, which is drawn and forgotten before the next
SEED = 1_000  # of the first block; each of the others has the next one
SET_ROWS = 250  # as many as the article tests with
DEVIATIONS = 1.96  # of a mean, in each direction: 95 %

Run = Callable[[Array], Mapping[str, Array]]


def measure(
    run: Run, calibration: Calibration, *, known_loss: float, blocks: int = BLOCKS, sigma: float = SIGMA
) -> dict[str, float]:
    """Return figures of fresh rows, each with a name that begins with `fresh_`; `_before` is before calibration.

    `run` gives the outputs of the calibrated graph. `fresh_known_sets` is the share of sets of 250 rows whose loss is
    at most `known_loss`: the chance that it is reached on so few rows.
    """
    losses, found = [], []
    for block in range(blocks):
        rows = gaussians.draw(BLOCK_ROWS, seed=SEED + block, sigma=sigma)
        loss, figures = _of_block(run(rows.features), rows, calibration, sigma)
        losses.append(loss)
        found.append(figures)
    count = blocks * BLOCK_ROWS
    means = {name: math.fsum(figures[name] for figures in found) / blocks for name in found[0]}
    means["typicality_error"] = max(figures["typicality_error"] for figures in found)
    low, high = share_by_chance(round(means["error"] * count), count)
    every = np.concatenate(losses)
    half = DEVIATIONS * float(every.std()) / math.sqrt(count)
    ends = {"error_low": low, "error_high": high, "loss_low": means["loss"] - half, "loss_high": means["loss"] + half}
    sets = float((every.reshape(-1, SET_ROWS).mean(axis=1) <= known_loss).mean())
    return {f"fresh_{name}": value for name, value in {"rows": count, **means, **ends, "known_sets": sets}.items()}


def _of_block(
    outputs: Mapping[str, Array], rows: Rows, calibration: Calibration, sigma: float
) -> tuple[Floats, dict[str, float]]:
    """Return the loss of each row, and the figures of all, from the outputs for these rows."""
    logits: Floats = outputs["logits"].astype(np.float64)
    before: Floats = logits * calibration.temperature
    loss, log_probabilities = Softmax(logits).loss(rows.classes), log_softmax(logits)
    found, true = calibration.typicality(outputs["atypicality"]), gaussians.exceedance(rows.features, sigma)
    coverages = {
        f"coverage_{100 * coverage:.0f}": covered(log_probabilities, rows.classes, calibration, coverage).measured
        for coverage in COVERAGES
    }
    return loss, {
        "loss": float(loss.mean()),
        "loss_before": float(Softmax(before).loss(rows.classes).mean()),
        "bayes_loss": gaussians.bayes_loss(rows, sigma),
        "error": float((logits.argmax(axis=1) != rows.classes).mean()),
        "divergence": gaussians.divergence(logits, rows.features, sigma),
        "divergence_before": gaussians.divergence(before, rows.features, sigma),
        "posterior_error": gaussians.posterior_error(logits, rows.features, sigma),
        "posterior_error_before": gaussians.posterior_error(before, rows.features, sigma),
        "typicality_error": float(np.abs(found - true).max()),
        **coverages,
    }
