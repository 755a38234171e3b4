"""A graph gets a temperature and the distance to the nearest class, whatever it has been before."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from softmaxd.adding.calibrated import LARGEST, Source, with_calibration
from softmaxd.models.engine import Engine
from softmaxd.models.features import KINDS, Datatype
from softmaxd.models.outputs import Array, Features
from softmaxd.numerics.softmax import Softmax
from tests.support import tables
from tests.support.onnx_models import classifier, linear, with_atypicality

CENTRE = np.array([1.0, -2.0], dtype=np.float32)
WHITENING = np.array([[2.0, 0.5], [0.0, 1.0]])
MEANS = np.array([[0.0, 0.0], [3.0, -1.0], [-2.0, 4.0]])
ROWS = np.random.default_rng(0).normal(size=(40, 2), scale=3).astype(np.float32)


def outputs_of(model: onnx.ModelProto, temperature: float, rows: Features = ROWS, **given: Any) -> dict[str, Array]:
    distances = (given.get("centre", CENTRE), WHITENING, given.get("means", MEANS))
    added, source = given.get("added", 0.0), given.get("source", Source())
    content = with_calibration(model.SerializeToString(), temperature, distances, added=added, source=source)
    return Engine(content, device="cpu").run(rows)


def distances_of(rows: Features, centre: Features = CENTRE) -> Any:
    whitened = (rows.astype(np.float64) - centre) @ WHITENING
    return ((whitened[:, None] - MEANS) ** 2).sum(axis=2).min(axis=1)


def test_logits_are_divided_and_probabilities_are_their_softmax() -> None:
    before = Engine(linear().SerializeToString(), device="cpu").run(ROWS)
    after = outputs_of(linear(), 2.5)

    assert after["logits"] == pytest.approx(before["logits"] / np.float32(2.5), rel=1e-6)
    assert after["probabilities"] == pytest.approx(Softmax(after["logits"].astype(float)).probabilities, abs=1e-6)
    assert list(after) == ["logits", "probabilities", "atypicality"]


def test_probabilities_of_many_classes_sum_to_1_though_float32_rounds_their_sum() -> None:
    classes = 1000
    scores = np.full(classes, -33.6, np.float32)  # halved, a sum that float32 takes from 1 by 3e-6
    scores[0] = 0
    nodes = [helper.make_node("MatMul", ["features", "zeros"], ["zero"])]
    nodes += [helper.make_node("Add", ["zero", "scores"], ["logits"])]
    constants = {"zeros": np.zeros((2, classes), np.float32), "scores": scores}
    means = np.zeros((classes, 2))

    after = outputs_of(classifier(nodes, constants, features=2, classes=classes), 2.0, means=means)

    assert np.abs(after["probabilities"].sum(axis=1, dtype=np.float64) - 1).max() <= 2.0**-23


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_something_is_added_to_each_probability_first(temperature: float) -> None:
    before = Engine(linear().SerializeToString(), device="cpu").run(ROWS)["probabilities"].astype(float)
    after = outputs_of(linear(), temperature, added=0.125)

    assert after["logits"] == pytest.approx(np.log(before + 0.125) / temperature, abs=2e-6)
    assert after["probabilities"] == pytest.approx(Softmax(after["logits"].astype(float)).probabilities, abs=1e-6)


def test_a_temperature_of_one_changes_no_bit() -> None:
    before = Engine(linear().SerializeToString(), device="cpu").run(ROWS)
    after = outputs_of(linear(), 1.0)

    assert all(after[name].tobytes() == before[name].tobytes() for name in before)


@pytest.mark.parametrize("opset", [9, 13, 17, 18, 21])
def test_the_atypicality_is_the_squared_distance_to_the_nearest_mean(opset: int) -> None:
    model = linear()
    model.opset_import[0].version = opset
    model.graph.node[-1].attribute[0].i = 1  # the axis of the softmax, which -1 was not before opset 11

    found = outputs_of(model, 1.5)["atypicality"]

    # numbers up to 200, the difference of which loses some bits of float32
    assert found == pytest.approx(distances_of(ROWS), rel=1e-5, abs=1e-4)
    assert found.shape == (40,)


def test_it_replaces_an_atypicality_and_can_be_done_again() -> None:
    first = with_calibration(with_atypicality(linear()).SerializeToString(), 2.0, (CENTRE, WHITENING, MEANS))
    again = with_calibration(first, 3.0, (CENTRE + 1, WHITENING, MEANS))
    plain = Engine(linear().SerializeToString(), device="cpu").run(ROWS)

    found = Engine(again, device="cpu").run(ROWS)
    assert found["logits"] == pytest.approx(plain["logits"] / 6, rel=1e-6)
    assert found["atypicality"] == pytest.approx(distances_of(ROWS, CENTRE + 1), rel=1e-5, abs=1e-4)
    assert not [node for node in onnx.load_model_from_string(again).graph.node if "far" in node.input]


@pytest.mark.parametrize("datatype", ["FP64", "INT64", "UINT8"])
def test_features_of_other_types_are_centred_as_float64(datatype: Datatype) -> None:
    large = 2.0**30 if datatype != "UINT8" else 100.0
    rows = (large + np.arange(20).reshape(10, 2)).astype(KINDS[datatype].replace("double", "float64"))
    centre = np.array([large + 5, large + 6])
    kind = TensorProto.DataType.Value(KINDS[datatype].upper())
    model = classifier(
        [
            onnx.helper.make_node("Cast", ["features"], ["numbers"], to=TensorProto.FLOAT),
            onnx.helper.make_node("MatMul", ["numbers", "weights"], ["logits"]),
        ],
        {"weights": np.ones((2, 3), dtype=np.float32)},
    )
    model.graph.input[0].type.tensor_type.elem_type = kind

    found = outputs_of(model, 1.0, rows, centre=centre, source=Source("features", rows.dtype))["atypicality"]

    assert found == pytest.approx(distances_of(rows, centre), rel=1e-5, abs=1e-3)


def test_a_row_that_is_a_tensor_is_flattened() -> None:
    nodes = [
        onnx.helper.make_node("Flatten", ["features"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    model = classifier(nodes, {"weights": np.ones((2, 3), dtype=np.float32)})
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 1, 2, 1]))

    found = outputs_of(model, 1.5, ROWS.reshape(-1, 1, 2, 1), source=Source(dimensions=4))["atypicality"]

    assert found == pytest.approx(distances_of(ROWS), rel=1e-5, abs=1e-4)


def test_every_finite_row_has_a_finite_atypicality() -> None:
    signs = np.array(np.meshgrid([-1, 0, 1], [-1, 0, 1]), dtype=np.float32).reshape(2, -1).T
    far = np.concatenate([signs[np.abs(signs).sum(axis=1) > 0] * np.float32(size) for size in (1e19, 1e30, 3.4e38)])

    found = outputs_of(linear(), 1.0, far)["atypicality"]

    assert np.isfinite(found).all()
    assert (found[8:] == np.float32(LARGEST)).all()


def test_a_mean_itself_is_not_below_zero() -> None:
    rows = (CENTRE + MEANS @ np.linalg.inv(WHITENING)).astype(np.float32)

    found = outputs_of(linear(), 1.0, rows)["atypicality"]

    assert (found >= 0).all()
    assert found == pytest.approx(0, abs=1e-4)


def test_names_that_the_graph_has_already_are_kept_apart() -> None:
    model = linear()
    for node in model.graph.node:
        node.input[:] = ["softmaxd_means" if name == "weights" else name for name in node.input]
    for tensor in model.graph.initializer:
        tensor.name = "softmaxd_means" if tensor.name == "weights" else tensor.name
    before = Engine(linear().SerializeToString(), device="cpu").run(ROWS)

    assert outputs_of(model, 2.0)["logits"] == pytest.approx(before["logits"] / 2, rel=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("name", ["softmaxd_scaled", "logits"])
def test_the_distance_may_be_of_an_inner_tensor(name: str, temperature: float) -> None:
    nodes = [
        onnx.helper.make_node("MatMul", ["features", "scale"], [name]),
        onnx.helper.make_node("MatMul", [name, "weights"], ["logits"]),
    ]
    scale = np.array([[2.0, 0.0], [0.0, -1.0]], dtype=np.float32)
    arrays = {"scale": scale, "weights": np.ones((2, 3), dtype=np.float32)}
    if name == "logits":
        nodes, arrays = [onnx.helper.make_node("MatMul", ["features", "scale"], [name])], {"scale": scale}

    found = outputs_of(classifier(nodes, arrays), temperature, source=Source(name))["atypicality"]

    assert found == pytest.approx(distances_of(ROWS @ scale), rel=1e-5, abs=1e-4)


def test_inputs_of_a_table_keep_their_names() -> None:
    model = tables.mixed()
    for node in model.graph.node:
        node.input[:] = ["softmaxd_city" if name == "city" else name for name in node.input]
    next(value for value in model.graph.input if value.name == "city").name = "softmaxd_city"
    distances = (np.zeros(6, np.float32), np.eye(6), np.zeros((1, 6)))

    content = with_calibration(model.SerializeToString(), 1.0, distances, source=Source("all"))

    assert set(Engine(content, device="cpu").inputs) == {"numbers", "job", "softmaxd_city", "member", "children"}
