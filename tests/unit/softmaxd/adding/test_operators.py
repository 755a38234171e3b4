"""The operators of a graph say which of its scores are no logits, and with which numbers its trees compare."""

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from softmaxd.adding.graphs import Input
from softmaxd.adding.operators import Origin, ancestors, origin, tree_thresholds
from tests.support.onnx_graphs import model, node, tensor

SOURCE = Input("x", "float", (2,), None)
P = tensor("p", ["n", 2])
SKL2ONNX = "skl2onnx"


def classical(operator: str, *, inputs: str = "x", outputs: str = "label p", **attributes: Any) -> onnx.NodeProto:
    return node(operator, inputs, outputs, domain="ai.onnx.ml", **attributes)


def forest(*, inputs: str = "x", **attributes: Any) -> onnx.NodeProto:
    """Return two trees: x0 ≤ 0.5, and behind its true branch x1 ≤ −2; x0 ≤ 4."""
    return classical(
        "TreeEnsembleClassifier",
        inputs=inputs,
        nodes_featureids=[0, 1, 0, 0, 0, 0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        **attributes or {"nodes_values": [0.5, -2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0]},
    )


def test_the_ancestors_of_a_tensor_are_the_nodes_that_compute_it() -> None:
    nodes = [node("Neg", "x", "a"), node("Exp", "x", "b"), node("Abs", "a", "p")]

    assert [found.op_type for found in ancestors(model(nodes, outputs=[P]), "p")] == ["Abs", "Neg"]


@pytest.mark.parametrize(
    ("nodes", "producer", "expected"),
    [
        ([node("MatMul", "x w", "p")], "pytorch", Origin()),
        ([node("MatMul", "x w", "p")], SKL2ONNX, Origin(scorer=SKL2ONNX)),
        ([classical("Scaler", outputs="p")], "", Origin()),
        ([classical("LinearClassifier", post_transform="NONE")], SKL2ONNX, Origin(scorer="LinearClassifier")),
        ([classical("LinearClassifier")], "", Origin(scorer="LinearClassifier")),
        ([classical("LinearClassifier", post_transform="SOFTMAX")], "", Origin()),
        ([classical("TreeEnsembleClassifier", post_transform="LOGISTIC")], "", Origin()),
        ([classical("TreeEnsemble", outputs="p", post_transform=1)], "", Origin()),
        (
            [classical("TreeEnsemble", outputs="p", post_transform=0)],
            "",
            Origin(scorer="TreeEnsemble", rounded_by="TreeEnsemble"),
        ),
        (
            [classical("LinearRegressor", outputs="y"), node("Neg", "y", "p")],
            "",
            Origin(scorer="LinearRegressor", is_regression=True),
        ),
        (
            [classical("LinearRegressor", outputs="y"), node("Cast", "y", "p", to=TensorProto.FLOAT)],
            "",
            Origin(scorer="LinearRegressor", is_regression=True, regressor="LinearRegressor"),
        ),
        (
            [classical("TreeEnsembleClassifier", outputs="label y"), node("Neg", "y", "p")],
            "",
            Origin(scorer="TreeEnsembleClassifier", rounded_by="TreeEnsembleClassifier"),
        ),
        ([node("Softmax", "x", "y"), node("Round", "y", "p")], "", Origin(rounded_by="Round")),
        ([node("DequantizeLinear", "x", "y"), node("Softmax", "y", "p")], "", Origin()),
        ([node("Exp", "x", "y"), node("Reshape", "y shape", "p")], "", Origin(rounded_by="Exp")),
        ([node("Exp", "x", "y"), node("Neg", "y", "p")], "", Origin()),
        ([node("TopK", "x k", "p places")], "", Origin(is_sorted=True)),
        ([node("TopK", "x k", "y places"), node("Softmax", "y", "p")], "", Origin(is_sorted=True)),
        ([node("TopK", "x k", "y places"), node("Mul", "y x", "z"), node("Softmax", "z", "p")], "", Origin()),
        (
            [classical("SVMClassifier", outputs="label y"), node("Cast", "y", "p", to=TensorProto.FLOAT)],
            "",
            Origin(scorer="SVMClassifier", has_votes=True),
        ),
        ([], "", Origin()),
    ],
)
def test_the_operators_tell_the_origin_of_an_output(
    nodes: list[onnx.NodeProto], producer: str, expected: Origin
) -> None:
    graph = model(nodes, outputs=[P])
    graph.producer_name = producer

    assert origin(graph, "p") == expected


def test_the_thresholds_of_trees_are_those_of_their_inner_nodes() -> None:
    assert tree_thresholds(model([forest()], outputs=[P]), SOURCE) == {0: [0.5, 4.0], 1: [-2.0]}


def test_thresholds_may_be_float64() -> None:
    values = numpy_helper.from_array(np.array([0.1, 0.2, 0, 0, 0, 0.3, 0, 0]))

    found = tree_thresholds(model([forest(nodes_values_as_tensor=values)], outputs=[P]), SOURCE)

    assert found == {0: [0.1, 0.3], 1: [0.2]}


def test_the_newer_operator_for_trees_has_only_inner_nodes() -> None:
    trees = classical(
        "TreeEnsemble",
        outputs="p",
        nodes_featureids=[1, 1],
        nodes_splits=numpy_helper.from_array(np.array([3, 2], np.float32)),
        nodes_modes=numpy_helper.from_array(np.zeros(2, np.uint8)),
    )

    assert tree_thresholds(model([trees], outputs=[P]), SOURCE) == {1: [2.0, 3.0]}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (node("Cast", "x", "y", to=TensorProto.FLOAT), {0: [0.5, 4.0], 1: [-2.0]}),
        (classical("Scaler", outputs="y", offset=[1.0, 2.0], scale=[0.5, 4.0]), {0: [2.0, 9.0], 1: [1.5]}),
        (classical("Scaler", outputs="y", offset=[1.0], scale=[0.0]), {0: [1.0], 1: [1.0]}),
        (classical("Imputer", outputs="y", imputed_value_floats=[1.0, 2.0]), {0: [0.5, 4.0], 1: [-2.0]}),
        (node("Exp", "x", "y"), {}),
        (node("Identity", "w", "y"), {}),
    ],
)
def test_thresholds_are_those_of_the_features_themselves(
    before: onnx.NodeProto, expected: dict[int, list[float]]
) -> None:
    assert tree_thresholds(model([before, forest(inputs="y")], outputs=[P]), SOURCE) == expected


def test_features_that_the_input_does_not_have_are_no_thresholds() -> None:
    assert tree_thresholds(model([forest()], outputs=[P]), Input("x", "float", (1,), None)) == {0: [0.5, 4.0]}


@pytest.mark.parametrize(
    "trees",
    [
        classical("TreeEnsembleClassifier"),
        classical("TreeEnsembleClassifier", nodes_featureids=[0], nodes_modes=["BRANCH_LEQ"]),
        classical("TreeEnsembleClassifier", nodes_featureids=[0], nodes_values=[math.inf], nodes_modes=["BRANCH_LEQ"]),
        classical("TreeEnsembleClassifier", nodes_featureids=[-1], nodes_values=[1.0], nodes_modes=["BRANCH_LEQ"]),
    ],
)
def test_trees_without_numbers_that_can_be_tried_have_no_thresholds(trees: onnx.NodeProto) -> None:
    assert tree_thresholds(model([trees], outputs=[P]), SOURCE) == {}


def test_a_scaler_without_numbers_changes_none() -> None:
    nodes = [classical("Scaler", outputs="y"), forest(inputs="y")]

    assert tree_thresholds(model(nodes, outputs=[P]), SOURCE) == {0: [0.5, 4.0], 1: [-2.0]}
