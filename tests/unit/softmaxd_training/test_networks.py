"""A network is fitted as its seed says, gives its logits, and takes a temperature."""

import keras
import numpy as np
import pytest

from softmaxd_training.blobs import build_network, make_data
from softmaxd_training.networks import accuracy_of, divide_logits, fit, fix_seed, logits_of, loss_of
from softmaxd_training.rows import Parts, Rows


@pytest.fixture(scope="module")
def parts() -> Parts:
    return make_data()


def fitted(parts: Parts, seed: int) -> keras.Model:
    fix_seed(seed)
    network = build_network()
    fit(network, parts, batch=5, epochs=1, on_epoch=lambda: None)
    return network


def known_network(logits: list[list[float]]) -> keras.Model:
    """Return a network of two features that gives these logits for (1, 0) and for (0, 1)."""
    inputs = keras.Input((2,), name="features")
    layer = keras.layers.Dense(2, name="logits")
    network = keras.Model(inputs, keras.layers.Softmax()(layer(inputs)))
    layer.set_weights([np.array(logits, np.float32), np.zeros(2, np.float32)])
    return network


KNOWN = Rows(np.eye(2, dtype=np.float32), np.array([0, 0]))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(parts: Parts) -> None:
    first, again, other = (fitted(parts, seed).get_weights() for seed in (3, 3, 4))

    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_the_history_has_each_epoch_and_each_epoch_is_told(parts: Parts) -> None:
    told: list[int] = []
    fix_seed(0)

    history = fit(build_network(), parts, batch=50, epochs=3, on_epoch=lambda: told.append(1))

    assert len(told) == 3
    assert {name: len(values) for name, values in history.items()} == {
        "loss": 3,
        "accuracy": 3,
        "val_loss": 3,
        "val_accuracy": 3,
    }


def test_a_callback_can_stop_the_training(parts: Parts) -> None:
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", min_delta=1e9, patience=1)
    fix_seed(0)

    history = fit(build_network(), parts, batch=50, epochs=9, on_epoch=lambda: None, callbacks=[stopping])

    assert len(history["loss"]) == 2


def test_the_logits_are_those_of_the_layer_of_that_name() -> None:
    network = known_network([[1.0, -1.0], [0.5, 2.0]])

    assert logits_of(network, KNOWN.features).tolist() == [[1.0, -1.0], [0.5, 2.0]]


def test_loss_and_accuracy_are_those_of_the_definitions() -> None:
    network = known_network([[np.log(3), 0.0], [0.0, np.log(4)]])  # probabilities 3/4 and 1/5 for the true class

    assert loss_of(network, KNOWN) == pytest.approx(-(np.log(3 / 4) + np.log(1 / 5)) / 2)
    assert accuracy_of(network, KNOWN) == 0.5


def test_dividing_the_weights_divides_the_logits(parts: Parts) -> None:
    network = build_network()
    before = logits_of(network, parts.test.features)

    divide_logits(network, 1.7)

    assert np.abs(logits_of(network, parts.test.features) * 1.7 - before).max() < 1e-5 * np.abs(before).max()
