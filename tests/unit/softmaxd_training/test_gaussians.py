"""The true probabilities of the four clouds, against direct definitions and simulation."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from softmaxd.numerics.softmax import Softmax
from softmaxd_training import gaussians
from softmaxd_training.rows import Rows


@pytest.mark.parametrize(
    ("point", "label", "loss"),
    [
        ((15, 7.5), 0, math.log(2)),  # half-way between the centres of blob-0 and blob-1
        ((15, 7), 0, 0.0350519),  # ln(1 + e^(-10/3)): (8² - 7²) / (2 · 1.5²) = 10/3
        ((15, 7), 1, 3.3683852),  # 10/3 more
    ],
)
def test_the_bayes_loss_is_that_of_the_true_posterior(point: tuple[float, float], label: int, loss: float) -> None:
    rows = Rows(np.array([point], dtype=np.float32), np.array([label]))

    assert gaussians.bayes_loss(rows) == pytest.approx(loss, abs=1e-6)


@pytest.mark.parametrize("sigma", [1.5, 6.0])
def test_the_true_posterior_is_that_of_bayes_rule(sigma: float) -> None:
    rows = gaussians.draw(50, seed=1, sigma=sigma)
    densities = [multivariate_normal(centre, sigma**2).pdf(rows.features) for centre in gaussians.CENTRES]
    posterior = np.stack(densities, axis=1) / np.sum(densities, axis=0)[:, None]

    assert Softmax(gaussians.true_logits(rows.features, sigma)).probabilities == pytest.approx(posterior)


def test_the_divergence_is_that_of_its_definition() -> None:
    rows = gaussians.draw(5, seed=2, sigma=6.0)
    logits = np.random.default_rng(0).normal(size=(5, 4))
    true = np.exp(gaussians.true_logits(rows.features, 6.0))
    true /= true.sum(axis=1, keepdims=True)
    model = np.exp(logits)
    model /= model.sum(axis=1, keepdims=True)
    by_hand = sum(p * math.log(p / q) for p, q in zip(true.ravel(), model.ravel(), strict=True)) / 5

    assert gaussians.divergence(logits, rows.features, 6.0) == pytest.approx(by_hand)
    assert gaussians.divergence(gaussians.true_logits(rows.features, 6.0), rows.features, 6.0) == 0


def test_the_error_is_that_of_the_given_labels_probability() -> None:
    point = np.array([[15, 7.5]], dtype=np.float32)  # half-way between blob-0 and blob-1: 0.5 each
    logits = np.log([[0.2, 0.7, 0.05, 0.05]])

    assert gaussians.posterior_error(logits, point) == pytest.approx(0.2)


@pytest.mark.parametrize("distance", [0.0, 0.7, 1.5, 3.0, 6.0])
def test_clouds_far_apart_have_the_exceedance_of_one_cloud(distance: float) -> None:
    point = np.array([[15 - distance, 0]], dtype=np.float32)

    assert gaussians.exceedance(point)[0] == pytest.approx(math.exp(-(distance**2) / (2 * 1.5**2)), abs=2e-4)


def test_clouds_that_overlap_have_the_exceedance_of_a_simulation() -> None:
    drawn = gaussians.draw(400_000, seed=3, sigma=6.0).features.astype(np.float64)
    nearest = np.min([((drawn - centre) ** 2).sum(axis=1) for centre in gaussians.CENTRES], axis=0)
    points = gaussians.draw(200, seed=4, sigma=6.0).features
    distances = np.min([((points - centre) ** 2).sum(axis=1) for centre in gaussians.CENTRES], axis=0)
    share = (nearest[:, None] >= distances).mean(axis=0)

    # of 400,000 draws it is above 0.0036 in one of 16,000 cases at most (Dvoretzky, Kiefer and Wolfowitz; Massart)
    assert np.abs(gaussians.exceedance(points, 6.0) - share).max() < 0.0036
