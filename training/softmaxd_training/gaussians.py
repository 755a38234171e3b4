"""Four clouds of points in the plane, whose true probabilities are known.

Each cloud is a Gaussian distribution with the standard deviation σ in every direction, and all are equally likely.
"""

import numpy as np
from sklearn.datasets import make_blobs

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats, Softmax
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Rows

CENTRES = np.array([[15, 0], [15, 15], [0, 15], [30, 15]], dtype=np.float64)
SIGMA = 1.5
POINTS = 200_000  # that represent a cloud
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def draw(count: int, *, seed: int, sigma: float = SIGMA) -> Rows:
    """Draw as many points from each cloud, in random order."""
    features, classes = make_blobs(count, centers=CENTRES, cluster_std=sigma, random_state=seed)
    return Rows(features.astype(np.float32), classes.astype(np.int64))


def true_logits(features: Array, sigma: float = SIGMA) -> Floats:
    """Return logits [n, 4] whose softmax is the true posterior: −‖x − c‖² / 2σ².

    C. M. Bishop, "Pattern recognition and machine learning", 2006, 4.2.1.
    """
    return -_squares(features) / (2 * sigma**2)


def bayes_loss(rows: Rows, sigma: float = SIGMA) -> float:
    """Return the loss of the true probabilities on these rows, in nats: no classifier can expect a lower one."""
    return mean_loss(true_logits(rows.features, sigma), rows.classes)


def divergence(logits: Floats, features: Array, sigma: float = SIGMA) -> float:
    """Return the mean Kullback-Leibler divergence of logits [n, 4] from the true probabilities, in nats."""
    true, model = Softmax(true_logits(features, sigma)), Softmax(logits)
    terms = true.probabilities * (true.log_probabilities - model.log_probabilities)
    return float(terms.sum(axis=1).mean())


def posterior_error(logits: Floats, features: Array, sigma: float = SIGMA) -> float:
    """Return the mean difference between the given label's probability and its true one."""
    given = np.arange(len(logits)), logits.argmax(axis=1)
    true = Softmax(true_logits(features, sigma)).probabilities[given]
    return float(np.abs(Softmax(logits).probabilities[given] - true).mean())


def exceedance(features: Array, sigma: float = SIGMA) -> Floats:
    """Return for each point [n] the probability of a point at least as far from its nearest centre.

    Many points of equal probability represent each cloud. They lie on a spiral: H. Vogel, "A better way to construct
    the sunflower head", Mathematical Biosciences 44, 1979.
    """
    index = np.arange(POINTS)
    radii = sigma * np.sqrt(-2 * np.log((index + 0.5) / POINTS))
    spiral = radii[:, None] * np.stack([np.cos(GOLDEN_ANGLE * index), np.sin(GOLDEN_ANGLE * index)], axis=1)
    nearest = np.sort(np.concatenate([_squares(centre + spiral).min(axis=1) for centre in CENTRES]))
    nearer: Floats = np.searchsorted(nearest, _squares(features).min(axis=1)) / len(nearest)
    return 1 - nearer


def _squares(points: Floats | Array) -> Floats:
    """Return the squared distance of each point [n, 2] to each centre, [n, 4]."""
    squares: Floats = ((points.astype(np.float64)[:, None] - CENTRES) ** 2).sum(axis=2)
    return squares
