"""The figures of fresh rows are those of their definitions, for classifiers that are known."""

import numpy as np
import pytest

from softmaxd.models.outputs import Array
from softmaxd_training import gaussians
from softmaxd_training.calibration import calibrate
from softmaxd_training.fresh import BLOCK_ROWS, SEED, Run, measure

SIGMA = 6.0


def classifier(scale: float) -> Run:
    """Return the true classifier of overlapping clouds, `scale` times too sure, with the true atypicality."""

    def run(features: Array) -> dict[str, Array]:
        logits = gaussians.true_logits(features, SIGMA)
        return {"logits": (scale * logits).astype(np.float32), "atypicality": -logits.max(axis=1).astype(np.float32)}

    return run


def measured(scale: float, *, known_loss: float = 1.0, blocks: int = 1) -> dict[str, float]:
    known = gaussians.draw(5_000, seed=3, sigma=SIGMA)
    calibration = calibrate(classifier(scale)(known.features), known.classes, temperature=2.0)
    return measure(classifier(scale), calibration, known_loss=known_loss, blocks=blocks, sigma=SIGMA)


def test_the_true_classifier_has_no_divergence_and_covers_as_promised() -> None:
    found = measured(1.0)

    assert found["fresh_rows"] == BLOCK_ROWS
    # float32 moves a logit of at most 100 by 4e-6
    assert [found["fresh_divergence"], found["fresh_posterior_error"]] == pytest.approx([0, 0], abs=1e-5)
    assert found["fresh_loss"] == pytest.approx(found["fresh_bayes_loss"], abs=1e-5)
    assert found["fresh_divergence_before"] > 0.1  # its logits were divided by 2 before
    for coverage in (80, 90, 95, 99):
        # 5,000 calibration rows give at most 0.6 % as standard deviation
        assert found[f"fresh_coverage_{coverage}"] == pytest.approx(coverage / 100, abs=0.025)
    assert found["fresh_typicality_error"] < 0.05


def test_a_classifier_that_is_too_sure_pays_for_it() -> None:
    true, sure = measured(1.0), measured(3.0)

    assert sure["fresh_error"] == true["fresh_error"]
    assert sure["fresh_loss"] - sure["fresh_bayes_loss"] == pytest.approx(sure["fresh_divergence"], abs=0.02)
    assert sure["fresh_loss"] > true["fresh_loss_high"] > true["fresh_loss"] > true["fresh_loss_low"]
    assert true["fresh_error_low"] < true["fresh_error"] < true["fresh_error_high"]


def test_blocks_are_drawn_by_their_seeds_and_their_means_are_those_of_all_rows() -> None:
    blocks = [gaussians.draw(BLOCK_ROWS, seed=SEED + block, sigma=SIGMA) for block in range(2)]
    losses = [gaussians.bayes_loss(rows, SIGMA) for rows in blocks]

    found = measured(1.0, blocks=2)

    assert found["fresh_rows"] == 2 * BLOCK_ROWS
    assert found["fresh_bayes_loss"] == pytest.approx(np.mean(losses), rel=1e-12)
    assert losses[0] != losses[1]


@pytest.mark.parametrize(("known_loss", "share"), [(0.0, 0.0), (10.0, 1.0)])
def test_sets_are_counted_by_a_known_loss(known_loss: float, share: float) -> None:
    assert measured(1.0, known_loss=known_loss)["fresh_known_sets"] == share


def test_half_of_the_sets_are_below_the_mean_loss() -> None:
    loss = measured(1.0)["fresh_loss"]

    # 400 sets: 2.5 % as standard deviation; losses of 250 rows are a little skewed
    assert measured(1.0, known_loss=loss)["fresh_known_sets"] == pytest.approx(0.5, abs=0.1)
