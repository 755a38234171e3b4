"""Each feature is followed through the graph to the columns that are made of it."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from softmaxd.adding.columns import Column, attributes_of, constants_of, strings, thresholds, trace
from softmaxd.adding.graphs import Input
from softmaxd.adding.tables import Table
from tests.support.onnx_graphs import model, node, tensor
from tests.support.table_graphs import CLASSICAL

TABLE = Table((Input("a", "float", (2,), None), Input("b", "float", (1,), None)))
CONSTANTS = {
    "one": np.array([1]),
    "two": np.array([2]),
    "zero": np.array([0]),
    "last": np.array([-1]),
    "beyond": np.array([7]),
    "sizes": np.array([1, 1]),
    "to_column": np.array([-1, 1]),
    "to_row": np.array([-1, 2]),
    "half": np.array([[0.5]], np.float32),
}


def graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    return model(
        list(nodes),
        inputs=[tensor("a", ["n", 2]), tensor("b", ["n", 1])],
        outputs=[tensor("out", None)],
        constants=CONSTANTS,
    )


def features(*nodes: onnx.NodeProto) -> list[list[int]] | None:
    """Return the features of each column of the tensor `out`, or None where the columns are not known."""
    found = trace(graph(*nodes), TABLE)["out"]
    return [sorted(column.features) for column in found.columns] or None


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Concat", "b a", "out", axis=1)], [[2], [0], [1]]),
        ([node("Concat", "b half", "out", axis=1)], None),
        ([node("Cast", "a", "c", to=11), node("Identity", "c", "out")], [[0], [1]]),
        ([node("Gather", "a one", "out", axis=1)], [[1]]),
        ([node("Gather", "a last", "out", axis=-1)], [[1]]),
        ([node("Gather", "a one", "out")], None),
        ([node("Gather", "a b", "out", axis=1)], None),
        ([node("Gather", "a beyond", "out", axis=1)], None),
        ([node("ArrayFeatureExtractor", "a zero", "out", **CLASSICAL)], [[0]]),
        ([node("Slice", "a one two one", "out")], [[1]]),
        ([node("Slice", "a zero two last two", "out")], [[0]]),
        ([node("Slice", "a zero one zero", "out")], None),
        ([node("Slice", "a zero one", "out")], None),
        ([node("Slice", "a b one one", "out")], None),
        ([node("Slice", "a", "out", starts=[1], ends=[2], axes=[1])], [[1]]),
        ([node("Split", "a sizes", "first out", axis=1)], [[1]]),
        ([node("Split", "a", "first out", axis=1)], [[1]]),
        ([node("Split", "a", "first out", axis=1, split=[1, 1])], [[1]]),
        ([node("Split", "a", "first out")], None),
        ([node("Reshape", "b to_column", "out")], [[2]]),
        ([node("Reshape", "b last", "out")], [[2]]),
        ([node("Reshape", "a to_row", "out")], [[0], [1]]),
        ([node("Reshape", "a to_column", "out")], None),
        ([node("Shape", "a", "s"), node("Reshape", "a s", "out")], None),
        ([node("OneHotEncoder", "b", "out", cats_int64s=[1, 2, 3], **CLASSICAL)], [[2], [2], [2]]),
        ([node("OneHotEncoder", "a", "out", cats_int64s=[1, 2, 3], **CLASSICAL)], None),
        ([node("LabelEncoder", "a", "out", **CLASSICAL)], [[0], [1]]),
        ([node("Where", "is_nan half b", "out")], None),
        ([node("IsNaN", "b", "is_nan"), node("Where", "is_nan half b", "out")], [[2]]),
        ([node("IsNaN", "b", "is_nan"), node("Where", "is_nan half a", "out")], None),
        ([node("MatMul", "a half", "m"), node("Cast", "m", "out", to=1)], None),
    ],
)
def test_columns_are_followed(nodes: list[onnx.NodeProto], expected: list[list[int]] | None) -> None:
    if nodes[0].op_type == "Where":
        nodes = [node("Greater", "b half", "is_nan"), *nodes]
    assert features(*nodes) == expected


def test_other_operators_depend_on_all_that_they_take() -> None:
    inner = helper.make_graph([node("Add", "a b", "sum")], "inner", [], [tensor("sum", None)])
    nodes = [
        node("MatMul", "half b", "out"),
        node("If", "yes", "chosen", then_branch=inner, else_branch=inner),
        node("Constant", "", "alone", value_float=1.0),
    ]

    traces = trace(graph(*nodes), TABLE)

    assert traces["out"].features == {2}
    assert traces["chosen"].features == {0, 1, 2}
    assert not traces["chosen"].columns
    assert "alone" not in traces


def test_scaled_columns_have_a_line() -> None:
    nodes = [
        node("Scaler", "a", "first", offset=[1.0, 2.0], scale=[0.5, 4.0], **CLASSICAL),
        node("Scaler", "first", "second", scale=[2.0], **CLASSICAL),
        node("LabelEncoder", "second", "third", **CLASSICAL),
        node("Scaler", "third", "out", **CLASSICAL),
    ]

    traces = trace(graph(*nodes), TABLE)

    assert traces["second"].columns == (Column(frozenset({0}), (1.0, -1.0)), Column(frozenset({1}), (8.0, -16.0)))
    assert [column.line for column in traces["out"].columns] == [None, None]


def test_a_number_that_is_imputed_by_where_keeps_its_line() -> None:
    nodes = [node("IsNaN", "b", "is_nan"), node("Not", "is_nan", "is"), node("Where", "is b half", "out")]

    assert trace(graph(*nodes), TABLE)["out"].columns == (Column(frozenset({2}), (1.0, 0.0)),)


def test_thresholds_of_trees_are_those_of_the_features_before_scaling() -> None:
    nodes = [
        node("Scaler", "a", "scaled", offset=[1.0, 0.0], scale=[0.5, 0.0], **CLASSICAL),
        node("LabelEncoder", "b", "encoded", **CLASSICAL),
        node("Concat", "scaled b encoded", "all", axis=1),
        node(
            "TreeEnsembleClassifier",
            "all",
            "label out",
            nodes_featureids=[0, 2, 1, 3, 0, 9, 2],
            nodes_values=[3.0, 7.0, 1.0, 1.0, 5.0, 1.0, float("inf")],
            nodes_modes=["BRANCH_LEQ"] * 4 + ["LEAF"] + ["BRANCH_LEQ"] * 2,
            **CLASSICAL,
        ),
        node("TreeEnsembleClassifier", "half", "l p", **CLASSICAL),
    ]

    built = graph(*nodes)

    assert thresholds(built, trace(built, TABLE)) == {0: [7.0], 2: [7.0]}


def test_constants_are_initializers_and_nodes() -> None:
    built = graph(node("Constant", "", "c", value_strings=["x"]), node("Constant", "", "d", value=TENSOR))

    found = constants_of(built)

    assert strings(found["c"]) == ["x"]
    assert strings(found["d"]) == ["y", "�"]
    assert strings(found["one"]) == []
    assert "half" not in found  # weights may be large


TENSOR = TensorProto(name="t", data_type=TensorProto.STRING, dims=[2], string_data=[b"y", b"\xff"])


def test_attributes_that_are_tensors_become_arrays() -> None:
    encoder = node("LabelEncoder", "a", "b", keys_tensor=TENSOR, default_int64=3, **CLASSICAL)
    encoder.attribute.add(name="of no type")

    attributes = attributes_of(encoder)

    assert attributes.pop("keys_tensor").tolist() == [b"y", b"\xff"]
    assert attributes == {"default_int64": 3}
