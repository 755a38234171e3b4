"""Keras networks: fitting them, asking for their logits and losses, and putting the temperature into their weights."""

import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Parts, Rows, one_hot

LEARNING_RATE = 0.001
VALIDATION_BATCH = 10_000  # rows, of which each costs next to nothing

History = dict[str, list[float]]  # loss, accuracy, val_loss and val_accuracy by epoch


def fix_seed(seed: int) -> None:
    """Let everything random in Keras depend on the seed alone: the same seed gives the same weights."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def fit(
    network: keras.Model,
    parts: Parts,
    *,
    batch: int,
    epochs: int,
    on_epoch: Callable[[], object],
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> History:
    """Train a network by Adam on the cross-entropy of the training rows, and return its history.

    The network gives probabilities [n, classes]. `on_epoch` is called after each epoch.
    """
    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        # An epoch in one call takes the same steps to the same weights, and far less time.
        steps_per_execution=math.ceil(len(parts.train) / batch),
    )
    classes = network.output_shape[-1]
    validation = parts.validation.features, one_hot(parts.validation.classes, classes)
    history: History = network.fit(
        parts.train.features,
        one_hot(parts.train.classes, classes),
        validation_data=validation,
        epochs=epochs,
        batch_size=batch,
        validation_batch_size=VALIDATION_BATCH,
        verbose=0,
        callbacks=[*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: on_epoch())],
    ).history
    return history


def logits_of(network: keras.Model, features: Array) -> Floats:
    """Return the logits [n, classes] of a network for features [n, d]: the output of its layer `logits`."""
    logits = keras.Model(network.inputs[0], network.get_layer("logits").output)
    return np.asarray(logits(features)).astype(np.float64)


def loss_of(network: keras.Model, rows: Rows) -> float:
    """Return the mean loss of a network on these rows, in nats."""
    return mean_loss(logits_of(network, rows.features), rows.classes)


def accuracy_of(network: keras.Model, rows: Rows) -> float:
    """Return the share of rows whose most probable class is the true one, 0 to 1."""
    predicted = np.asarray(network(rows.features)).argmax(axis=1)
    return float((predicted == rows.classes).mean())


def divide_logits(network: keras.Model, temperature: float) -> None:
    """Divide the weights of the layer `logits` by a temperature, and so the logits: predicting takes no more time."""
    layer = network.get_layer("logits")
    layer.set_weights(
        [(weights.astype(np.float64) / temperature).astype(np.float32) for weights in layer.get_weights()]
    )
