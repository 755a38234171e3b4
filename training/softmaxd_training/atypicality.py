"""The distance of a row from all training rows: the output `atypicality` of the graph."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from sklearn.covariance import LedoitWolf

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Rows

LEAST_VARIANCE = 1e-4  # within the classes, relative to all rows: no single feature may decide everything
LARGEST = 3e38  # close to the largest finite float32
FEW_FEATURES = 64  # the whitening is one product up to here


@dataclass(frozen=True, slots=True, eq=False)
class Atypicality:
    """The squared Mahalanobis distance of a row to the nearest class mean.

    All classes share one covariance, that of the training rows around their class means. It is estimated on
    standardised features as O. Ledoit and M. Wolf do ("A well-conditioned estimator for large-dimensional covariance
    matrices", Journal of Multivariate Analysis 88, 2004), which is positive definite for any number of rows. Typicality
    is valid with any estimate; a bad one only finds fewer strange rows.
    """

    centre: Array  # [d], subtracted first, because an offset would cost float32 its last digits
    whitening: Floats  # [d, d]: distances between whitened rows are Euclidean
    means: Floats  # [classes, d], of the whitened rows

    @classmethod
    def of(cls, rows: Rows) -> "Atypicality":
        """Fit it to the training rows; each class must have some."""
        centre = rows.features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = rows.features.astype(np.float64) - centre
        scale = centred.std(axis=0)
        standardised = centred / scale
        means = np.stack([standardised[rows.classes == index].mean(axis=0) for index in range(max(rows.classes) + 1)])
        residuals = standardised - means[rows.classes]
        covariance = LedoitWolf(assume_centered=True).fit(residuals).covariance_
        covariance += LEAST_VARIANCE * np.eye(len(scale))
        root = np.linalg.cholesky(np.linalg.inv(covariance))
        return cls(centre, root / scale[:, None], means @ root)

    def __call__(self, features: Array) -> Floats:
        """Return the distances [n] of features [n, d] in float64."""
        whitened = (features.astype(np.float64) - self.centre) @ self.whitening
        nearest: Floats = np.min([((whitened - mean) ** 2).sum(axis=1) for mean in self.means], axis=0)
        return nearest

    def graph(self, features: tf.Tensor) -> tf.Tensor:
        """Return the distances [n] as a part of a float32 graph, at most `LARGEST`."""
        offsets = self._offsets(features - self.centre)
        distances = tf.reduce_sum(offsets * offsets, axis=2)
        return tf.minimum(tf.reduce_min(distances, axis=1), LARGEST)

    def _offsets(self, centred: tf.Tensor) -> tf.Tensor:
        """Return the whitened offset of each row to each mean [n, classes, d]."""
        whitening, means = self.whitening.astype(np.float32), self.means.astype(np.float32)
        classes, width = means.shape
        if width > FEW_FEATURES:
            return tf.reshape(tf.matmul(centred, whitening), [-1, 1, width]) - means
        # A single product is faster, but has the weights once for each class.
        return tf.reshape(
            tf.matmul(centred, np.tile(whitening, (1, classes))) + -means.reshape(-1), [-1, classes, width]
        )
