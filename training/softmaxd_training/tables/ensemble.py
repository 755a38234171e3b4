"""Eight small networks, trained at once as one batched network: each leaves out one fold of the rows.

So every row trains seven networks, and is judged by the eighth, which has not seen it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from softmaxd.models.outputs import Array
from softmaxd.numerics.softmax import Floats
from softmaxd_training.calibration import mean_loss
from softmaxd_training.networks import fix_seed
from softmaxd_training.rows import Classes
from softmaxd_training.tables.folds import FOLDS

UNITS = 64
LARGEST_BATCH = 256
SMALLEST_BATCH = 16
BATCHES = 16  # at least so many in an epoch, so that small tables take steps enough
LEARNING_RATE = 0.002
DECAY = 0.02  # of the weights, I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019
DROPOUT = 0.1
WITHIN_TWO = 0.87962566  # standard deviation of a standard normal number that is drawn again until it is within ±2
MOST_EPOCHS = 60
MOST_VISITS = 3_000_000  # rows times epochs: larger tables have fewer epochs
MOST_WORK = 7e11  # additions and multiplications in all epochs, up to 20,000 rows: half a minute of a processor
WORK_ROWS = 20_000
PATIENCE = 8  # epochs without a lower loss of the rows left out, after which training stops
HELD = 2**22  # numbers of encoded rows that are asked for at a time: 16 MiB

Tell = Callable[[str], object]


class Encoded(Protocol):
    """Encoded rows [n, D] in float32: an array, or rows that are encoded when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, D)"""

    def __getitem__(self, places: Classes) -> Array:
        """Return the rows at these places."""


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """The weights [8, D, h], [8, h, h] and [8, h, k] of eight networks, and their biases [8, h], [8, h] and [8, k]."""

    weights: tuple[Array, Array, Array]
    biases: tuple[Array, Array, Array]

    def logits(self, encoded: Array) -> Array:
        """Return the mean of the networks' logits: encoded rows [n, D] → [n, k], in float32."""
        every = np.stack([self.logits_of(number, encoded) for number in range(FOLDS)])
        mean: Array = every.mean(axis=0, dtype=np.float32)
        return mean

    def logits_of(self, number: int, encoded: Array) -> Array:
        """Return the logits of one network, 0 to 7: encoded rows [n, D] → [n, k], in float32."""
        values = encoded
        for weights, biases in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = np.maximum(values @ weights[number] + biases[number], np.float32(0))
        logits: Array = values @ self.weights[-1][number] + self.biases[-1][number]
        return logits

    def out_of_fold(self, encoded: Encoded, folds: Classes, places: Classes) -> Floats:
        """Return the logits [m, k] in float64 of the rows at these places, each by the network that left it out."""
        logits = np.empty((len(places), self.biases[-1].shape[1]))
        for fold in range(FOLDS):
            mine = np.flatnonzero(folds[places] == fold)
            for part in parts_of(mine, encoded.shape[1]):
                logits[part] = self.logits_of(fold, encoded[places[part]])
        return logits


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """The networks after an epoch, their logits of the rows left out, and the loss of these."""

    networks: Networks
    logits: Floats
    epoch: int
    loss: float


def fit_networks(
    encoded: Encoded, classes: Classes, folds: Classes, *, seed: int, on_epoch: Tell, judged: Classes | None = None
) -> tuple[Networks, Floats]:
    """Return eight networks, and the logits [m, k] of the judged rows, each by the network that left it out.

    Encoded rows [n, D], classes [n] with every class from 0 up, folds [n]. The networks are those of the epoch with the
    lowest out-of-fold loss of the judged rows, by default of all, within `most_epochs`. `on_epoch` gets a line after
    each epoch, and in the course of a long one. The same seed gives the same weights on the same machine.
    """
    places = np.arange(len(classes)) if judged is None else judged
    fix_seed(seed)
    keras.utils.clear_session()
    network = build(encoded.shape[1], np.bincount(classes))
    run_epoch = _epoch_of(network, encoded, classes, folds, seed, on_epoch)
    best: _Judged | None = None
    most = most_epochs(len(classes), encoded.shape[1], network.output_shape[-1])
    for epoch in range(1, most + 1):
        run_epoch(epoch)
        trained = networks_of(network)
        logits = trained.out_of_fold(encoded, folds, places)
        now = _Judged(trained, logits, epoch, mean_loss(logits, classes[places]))
        best = now if best is None or now.loss < best.loss else best
        on_epoch(f"networks: epoch {epoch}, out-of-fold loss {now.loss:.4f}, lowest {best.loss:.4f}")
        if epoch - best.epoch >= PATIENCE:
            break
    assert best is not None
    return best.networks, best.logits


def build(width: int, counts: Classes) -> keras.Model:
    """Build the networks as one, encoded rows [n, D] → logits [n, 8, k]; counts [k] are the rows of each class.

    The biases of the logits begin as the shares of the classes, so that rare ones need not be unlearnt first.
    """
    classes = len(counts)
    shares = np.log(np.maximum(counts, 1) / counts.sum())
    inputs = keras.Input((width,))
    values = keras.layers.Dense(FOLDS * UNITS, activation="relu", kernel_initializer="he_normal")(inputs)
    values = keras.layers.Dropout(DROPOUT)(keras.layers.Reshape((FOLDS, UNITS))(values))
    values = keras.layers.Dropout(DROPOUT)(keras.layers.ReLU()(_each(UNITS)(values)))
    logits = _each(classes)
    model = keras.Model(inputs, logits(values))
    logits.set_weights([logits.get_weights()[0], np.tile(shares.astype(np.float32), (FOLDS, 1))])
    return model


def _each(units: int) -> keras.layers.EinsumDense:
    """Return a layer of its own weights for each network: [n, 8, h] → [n, 8, units]."""
    # The variance of He et al. is written out, because versions of Keras differ in the fan-in of three axes.
    initial = keras.initializers.TruncatedNormal(stddev=math.sqrt(2 / UNITS) / WITHIN_TWO)
    return keras.layers.EinsumDense("nkh,khj->nkj", (FOLDS, units), bias_axes="kj", kernel_initializer=initial)


def networks_of(network: keras.Model) -> Networks:
    """Return the weights and biases of a network of `build`."""
    first, first_bias, *others = [np.array(each) for each in network.get_weights()]
    by_network = np.ascontiguousarray(first.reshape(-1, FOLDS, UNITS).transpose(1, 0, 2))
    return Networks((by_network, others[0], others[2]), (first_bias.reshape(FOLDS, UNITS), others[1], others[3]))


def _epoch_of(
    network: keras.Model, encoded: Encoded, classes: Classes, folds: Classes, seed: int, tell: Tell
) -> Callable[[int], None]:
    """Return the function that lets a network see every row once more, in a new order, and tells how many it has seen.

    It takes the number of the epoch.
    """
    order = np.random.default_rng(seed)
    batch = batch_of(len(classes))
    steps = _steps_of(network, batch)

    def run_epoch(epoch: int) -> None:
        seen = 0
        for part in parts_of(order.permutation(len(classes)), encoded.shape[1], multiple=batch):
            if seen:
                tell(f"networks: epoch {epoch}, {seen:,} of {len(classes):,} rows")
            steps(tf.constant(encoded[part]), tf.constant(classes[part]), tf.constant(folds[part]))
            seen += len(part)

    return run_epoch


def _steps_of(network: keras.Model, batch: int) -> Callable[..., object]:
    """Return the function that takes a step of AdamW for each batch of the given rows, in one call of TensorFlow."""
    optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay=DECAY)
    optimizer.build(network.trainable_variables)

    def step(encoded: tf.Tensor, classes: tf.Tensor, folds: tf.Tensor) -> None:
        trains = tf.cast(folds[:, None] != tf.range(FOLDS, dtype=tf.int64), tf.float32)
        with tf.GradientTape() as tape:
            logits = network(encoded, training=True)
            truth = tf.tile(classes[:, None], [1, FOLDS])
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(truth, logits)
            loss = tf.reduce_mean(tf.reduce_sum(losses * trains, axis=1))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

    def steps(encoded: tf.Tensor, classes: tf.Tensor, folds: tf.Tensor) -> None:
        def following(start: tf.Tensor) -> tf.Tensor:
            step(*(values[start : start + batch] for values in (encoded, classes, folds)))
            return start + batch

        tf.while_loop(lambda start: start < tf.shape(classes)[0], following, [tf.constant(0)])

    rows, numbers = tf.TensorSpec([None, network.input_shape[1]], tf.float32), tf.TensorSpec([None], tf.int64)
    compiled: Callable[..., object] = tf.function(steps, [rows, numbers, numbers], autograph=False)
    return compiled


def batch_of(rows: int) -> int:
    """Return the rows of a batch: 16 to 256, in small tables a sixteenth of all."""
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, rows // BATCHES))


def most_epochs(rows: int, width: int, classes: int) -> int:
    """Return the most epochs of a table: 60, and fewer if it has many rows, encoded columns or classes."""
    weights = FOLDS * UNITS * (width + UNITS + classes)
    work = 6 * weights * min(rows, WORK_ROWS)  # of an epoch: a product forward, and two back
    return max(1, min(MOST_EPOCHS, MOST_VISITS // rows, int(MOST_WORK // work)))


def parts_of(places: Classes, width: int, *, multiple: int = 1) -> Iterator[Classes]:
    """Yield the places in parts whose encoded rows are held at a time: `HELD` numbers, whole batches."""
    size = max(multiple, HELD // width // multiple * multiple)
    for start in range(0, len(places), size):
        yield places[start : start + size]
