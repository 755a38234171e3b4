"""Inner tensors are found by the inputs that flow into them."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from softmaxd.adding.inner import common_tensors, with_tensors
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from tests.support import tables
from tests.support.onnx_models import classifier, linear

MIXED = tables.mixed().SerializeToString()


def test_tensors_of_some_inputs_are_not_common() -> None:
    assert common_tensors(MIXED) == ("all",)
    assert common_tensors(tables.filled_with_means(["x"]).SerializeToString()) == ("floats", "missing", "filled")


def test_an_input_that_does_not_reach_the_logits_does_not_count() -> None:
    model = tables.mixed()
    model.graph.input.append(helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, ["n", 1]))
    model.graph.node.insert(0, helper.make_node("Abs", ["other"], ["unused"]))

    assert common_tensors(model.SerializeToString()) == ("all",)


def test_a_constant_that_is_listed_as_an_input_is_none() -> None:
    model = tables.mixed()
    model.graph.input.append(helper.make_tensor_value_info("weights", onnx.TensorProto.FLOAT, [6, 3]))

    assert common_tensors(model.SerializeToString()) == ("all",)


def test_scores_and_all_that_is_made_of_them_are_none() -> None:
    nodes = [
        helper.make_node("Scaler", ["features"], ["scaled"], domain="ai.onnx.ml", scale=[2.0]),
        helper.make_node(
            "LinearClassifier", ["scaled"], ["label", "scores"], domain="ai.onnx.ml", coefficients=[1.0] * 6
        ),
        helper.make_node("Abs", ["scores"], ["positive"]),
        helper.make_node("Log", ["positive"], ["logits"]),
        helper.make_node("Neg", ["logits"], ["minus"]),
    ]

    assert common_tensors(classifier(nodes, {}).SerializeToString()) == ("scaled",)


def test_a_branch_takes_tensors_from_outside() -> None:
    model = linear()
    model.graph.input.append(helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, ["n", 2]))
    branches = [
        helper.make_graph(
            [helper.make_node("Add", ["features", name], ["sum"])],
            "branch",
            [],
            [helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, ["n", 2])],
        )
        for name in ("other", "features")
    ]
    branch = helper.make_node("If", ["is"], ["chosen"], then_branch=branches[0], else_branch=branches[1])
    for node in model.graph.node:
        node.input[:] = ["chosen" if name == "features" else name for name in node.input]
    model.graph.node.insert(0, branch)
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "is"))

    assert common_tensors(model.SerializeToString())[0] == "chosen"


def test_a_graph_gives_inner_tensors_inputs_and_outputs() -> None:
    content, names = with_tensors(MIXED, ["all", "numbers", "logits"])

    found = Engine(content, device="cpu").run_inputs(tables.tensors(tables.ROWS))

    assert names == ["all", "softmaxd_inner", "logits"]
    assert found["all"].shape == (4, 6)
    assert found["softmaxd_inner"].tobytes() == tables.tensors(tables.ROWS)["numbers"].tobytes()
    assert list(found) == ["logits", "probabilities", "all", "softmaxd_inner"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FILED", "the graph has no tensor FILED; the nearest name is filled"),
        ("?", "the graph has no tensor ?; it has numbers, job, city, member, children, missing, filled, "),
    ],
)
def test_a_name_that_no_tensor_has_is_refused(name: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        with_tensors(MIXED, [name])

    assert str(refused.value).startswith(reason)
