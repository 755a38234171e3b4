"""The distance of a row from all training rows: the output `atypicality` of the graph."""

from dataclasses import dataclass, replace

import numpy as np

from softmaxd.models.outputs import Array, Features
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Rows

LEAST_VARIANCE = 1e-4  # within the classes, relative to all rows: no single feature may decide everything
BLOCK = 4096  # rows whose distances are computed at a time
FEW = 32  # means or rows; the distances from more are one product
LARGEST = 3e38  # in a graph: close to the largest finite float32


@dataclass(frozen=True, slots=True, eq=False)
class Atypicality:
    """The squared Mahalanobis distance of a row to the nearest class mean, or to the nearest of some training rows.

    All classes share one covariance, that of the training rows around their class means. It is estimated on
    standardised features as O. Ledoit and M. Wolf do ("A well-conditioned estimator for large-dimensional covariance
    matrices", Journal of Multivariate Analysis 88, 2004), which is positive definite for any number of rows. Typicality
    is valid with any estimate; a bad one only finds fewer strange rows.
    """

    centre: Array  # [d], subtracted first, because an offset would cost float32 its last digits
    whitening: Floats  # [d, d]: distances between whitened rows are Euclidean
    means: Floats  # [classes, d], of the whitened rows; or some of these rows themselves

    @classmethod
    def of(cls, rows: Rows, *, points: int = 0) -> "Atypicality":
        """Fit it to the training rows; a class without any has no mean.

        A feature with one value only tells any other value. The distance is that to the nearest class mean, or else to
        the nearest of so many `points`, which are training rows.
        """
        features = rows.features.reshape(len(rows), -1)
        centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = np.subtract(features, centre, dtype=np.float64)
        varies = features.max(axis=0) > features.min(axis=0)
        scale = np.where(varies, centred.std(axis=0), 1.0)
        standardised = np.divide(centred, scale, out=centred)  # in their place, as the residuals: rows may be many
        known, places = np.unique(rows.classes, return_inverse=True)
        means = np.stack([standardised[rows.classes == index].mean(axis=0) for index in known])
        residuals = np.subtract(standardised, means[places], out=standardised)
        covariance = _ledoit_wolf(residuals)
        covariance += LEAST_VARIANCE * np.eye(len(scale))
        root = np.linalg.cholesky(np.linalg.inv(covariance))
        found = cls(centre, root / scale[:, None], means @ root)
        return found.near(rows, points) if points else found

    def __call__(self, features: Features) -> Floats:
        """Return the distances [n] of features [n, d], or of tensors with d numbers, in float64."""
        starts = range(0, len(features), BLOCK)
        return np.concatenate([self._distances(features[start : start + BLOCK]) for start in starts])

    def _distances(self, features: Features) -> Floats:
        whitened = (features.reshape(len(features), -1).astype(np.float64) - self.centre) @ self.whitening
        if len(self.means) > FEW:
            offsets = (whitened @ (-2 * self.means.T) + (self.means**2).sum(axis=1)).min(axis=1)
            return np.asarray(np.maximum((whitened**2).sum(axis=1) + offsets, 0.0))
        nearest: Floats = np.full(len(whitened), np.inf)
        for mean in self.means:
            np.minimum(nearest, ((whitened - mean) ** 2).sum(axis=1), out=nearest)
        return nearest

    def near(self, rows: Rows, points: int) -> "Atypicality":
        """Return the distance to the nearest of so many of the training rows, in place of the class means."""
        drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:points])
        centred = rows.chosen(drawn).features.reshape(len(drawn), -1).astype(np.float64) - self.centre
        return replace(self, means=centred @ self.whitening)


def _ledoit_wolf(residuals: Floats) -> Floats:
    """Return the covariance [d, d] of rows [n, d] around 0, shrunk towards a multiple of the identity."""
    rows, width = residuals.shape
    sample: Floats = residuals.T @ residuals / rows
    mean = np.trace(sample) / width
    spread = ((sample - mean * np.eye(width)) ** 2).sum()
    squares = residuals**2
    noise = min(((squares.T @ squares).sum() / rows - (sample**2).sum()) / rows, spread)
    share = noise / spread if noise > 0 else 0.0
    shrunk: Floats = (1 - share) * sample + share * mean * np.eye(width)
    return shrunk
