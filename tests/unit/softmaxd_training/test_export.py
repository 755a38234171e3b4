"""A network's ONNX file answers as the network does, within a tolerance, or is refused."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd_training.atypicality import Atypicality
from softmaxd_training.blobs import build_network, make_data
from softmaxd_training.export import check_tolerances, write_onnx
from softmaxd_training.networks import logits_of
from softmaxd_training.rows import Parts


@pytest.fixture(scope="module")
def parts() -> Parts:
    return make_data()


@pytest.fixture(scope="module")
def atypicality(parts: Parts) -> Atypicality:
    return Atypicality.of(parts.train)


def check(network: keras.Model, atypicality: Atypicality, path: Path, parts: Parts) -> float:
    return check_tolerances(Engine(path, device="cpu"), network, atypicality, parts.test.features)


def test_the_same_weights_export_to_the_same_bytes(atypicality: Atypicality, tmp_path: Path) -> None:
    network = build_network()
    write_onnx(network, atypicality, tmp_path / "first.onnx")
    write_onnx(network, atypicality, tmp_path / "second.onnx")

    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_an_exported_network_agrees_with_itself(atypicality: Atypicality, parts: Parts, tmp_path: Path) -> None:
    network = build_network()
    write_onnx(network, atypicality, tmp_path / "model.onnx")

    assert check(network, atypicality, tmp_path / "model.onnx", parts) <= 1e-6


def test_a_file_of_another_network_is_refused(atypicality: Atypicality, parts: Parts, tmp_path: Path) -> None:
    network = build_network()
    write_onnx(network, atypicality, tmp_path / "model.onnx")
    network.set_weights([weights + np.float32(1e-3) for weights in network.get_weights()])

    with pytest.raises(
        Refused, match=r"^Keras and ONNX Runtime differ by \S+ in a probability, more than the tolerance of \S+$"
    ):
        check(network, atypicality, tmp_path / "model.onnx", parts)


def test_a_sure_network_may_differ_by_the_rounding_of_its_logits(
    atypicality: Atypicality, parts: Parts, tmp_path: Path
) -> None:
    """Two logits of about 1,000 are equal, and one of them is off by a few roundings in the file."""
    network, row = build_network(), parts.test.features[:1]
    layer = network.get_layer("logits")
    weights, bias = layer.get_weights()
    weights *= np.float32(1000 / np.abs(logits_of(network, row)).max())
    layer.set_weights([weights, bias])
    bias[:2] += 1000 - logits_of(network, row)[0, :2].astype(np.float32)
    bias[2:] -= 1000
    layer.set_weights([weights, bias + np.array([4 * np.spacing(np.float32(1000)), 0, 0, 0], dtype=np.float32)])
    write_onnx(network, atypicality, tmp_path / "model.onnx")
    layer.set_weights([weights, bias])

    difference = check_tolerances(Engine(tmp_path / "model.onnx", device="cpu"), network, atypicality, row)

    assert difference > 1e-6


def test_a_file_of_other_logits_with_the_same_probabilities_is_refused(
    atypicality: Atypicality, parts: Parts, tmp_path: Path
) -> None:
    network = build_network()
    write_onnx(network, atypicality, tmp_path / "model.onnx")
    weights, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([weights, bias + np.float32(0.1)])

    with pytest.raises(Refused, match="in a logit,"):
        check(network, atypicality, tmp_path / "model.onnx", parts)


def test_a_file_of_another_atypicality_is_refused(atypicality: Atypicality, parts: Parts, tmp_path: Path) -> None:
    network = build_network()
    write_onnx(network, atypicality, tmp_path / "model.onnx")
    other = replace(atypicality, means=atypicality.means + 1e-3)

    with pytest.raises(Refused, match="in an atypicality,"):
        check(network, other, tmp_path / "model.onnx", parts)


def test_a_network_of_not_a_number_is_refused(atypicality: Atypicality, parts: Parts, tmp_path: Path) -> None:
    network = build_network()
    network.set_weights([weights * np.float32(np.nan) for weights in network.get_weights()])
    write_onnx(network, atypicality, tmp_path / "model.onnx")

    with pytest.raises(Refused, match="differ by nan"):
        check(network, atypicality, tmp_path / "model.onnx", parts)
