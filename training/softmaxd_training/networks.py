"""Questions to a trained network, and the temperature in its weights."""

import keras
import numpy as np

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Rows


def logits_of(network: keras.Model, features: Array) -> Floats:
    """Return the logits [n, k] of a network, whose layer of that name gives them."""
    logits = keras.Model(network.inputs[0], network.get_layer("logits").output)
    return np.asarray(logits(features)).astype(np.float64)


def loss_of(network: keras.Model, rows: Rows) -> float:
    """Return the mean loss of a network on these rows, in nats."""
    return mean_loss(logits_of(network, rows.features), rows.classes)


def divide_logits(network: keras.Model, temperature: float) -> None:
    """Divide the logits of a network by dividing the weights that they are made with: that costs no time later."""
    layer = network.get_layer("logits")
    layer.set_weights(
        [(weights.astype(np.float64) / temperature).astype(np.float32) for weights in layer.get_weights()]
    )


def accuracy_of(network: keras.Model, rows: Rows) -> float:
    predicted = np.asarray(network(rows.features)).argmax(axis=1)
    return float((predicted == rows.classes).mean())
