"""A network gives its logits, and takes a temperature."""

import numpy as np
import pytest

from softmaxd_training.blobs import build_network, make_data
from softmaxd_training.networks import divide_logits, logits_of
from softmaxd_training.rows import Parts


@pytest.fixture(scope="module")
def parts() -> Parts:
    return make_data()


def test_dividing_the_weights_divides_the_logits(parts: Parts) -> None:
    network = build_network()
    before = logits_of(network, parts.test.features)

    divide_logits(network, 1.7)

    assert np.abs(logits_of(network, parts.test.features) * 1.7 - before).max() < 1e-5 * np.abs(before).max()
