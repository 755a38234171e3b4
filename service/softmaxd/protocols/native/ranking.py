"""Labels of rows, the most probable first, as JSON."""

from collections.abc import Iterator, Sequence

import numpy as np

from softmaxd.models.answers import pieces
from softmaxd.models.outputs import Array, float32_to_json
from softmaxd.numerics.softmax import Floats
from softmaxd.numerics.trust import prediction_sets


def top_as_json(probabilities: Array, top_k: int, labels: Sequence[bytes]) -> bytes:
    """Return the `top_k` most probable labels of each row [rows, classes] with their probabilities."""
    rows = [row for piece in pieces(*probabilities.shape) for row in _top(probabilities[piece], top_k, labels)]
    return b"[[%s]]" % b"],[".join(rows)


def _top(probabilities: Array, top_k: int, labels: Sequence[bytes]) -> Iterator[bytes]:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]  # stable: ties keep the class order
    ranked = np.take_along_axis(probabilities, order, axis=1)
    texts = iter(float32_to_json(ranked.ravel())[1:-1].split(b","))
    for indices in order.tolist():
        yield b",".join([b'{"label":%s,"probability":%s}' % (labels[index], next(texts)) for index in indices])


def sets_as_json(logarithms: Floats, highest: float | Floats, labels: Sequence[bytes]) -> bytes:
    """Return the prediction set of each row of log-probabilities [rows, classes], by the highest −ln p of a label."""
    rows = [row for piece in pieces(*logarithms.shape) for row in _sets(logarithms[piece], highest, labels)]
    return b"[[%s]]" % b"],[".join(rows)


def _sets(logarithms: Floats, highest: float | Floats, labels: Sequence[bytes]) -> Iterator[bytes]:
    sets = prediction_sets(logarithms, highest)
    order = np.argsort(np.where(sets, -logarithms, np.inf), axis=1, kind="stable")  # labels outside the set come last
    for indices, size in zip(order.tolist(), sets.sum(axis=1).tolist(), strict=True):
        yield b",".join([labels[index] for index in indices[:size]])
