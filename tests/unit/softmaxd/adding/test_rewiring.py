"""A rewired graph has our names, only the nodes that it needs, and the same results."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import Heads, Input, opset, read
from softmaxd.adding.rewiring import rewire, show_softmax_inputs, widen
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, KINDS, Datatype
from softmaxd.models.outputs import Array
from tests.support.onnx_graphs import WEIGHTS, exact, logits_only, model, node, tensor
from tests.support.paths import MODELS

ROWS = np.array([[1, 2], [-3, 0.5], [0, 0]], dtype=np.float32)
SOURCE = Input("x", "float", (2,), None)
SCORES = Heads("scores", None, 3, are_float32=True)


def answers(graph: onnx.ModelProto, source: Input, heads: Heads) -> dict[str, Array]:
    """Return the outputs of the rewired graph for `ROWS`."""
    rewire(graph, source, heads)
    onnx.checker.check_model(graph, full_check=True)
    engine = Engine(graph.SerializeToString(), device="cpu")
    assert engine.inputs == {"features": ("tensor(float)", ["n", source.width])}
    assert engine.outputs == {name: ("tensor(float)", ["n", heads.classes]) for name in ("logits", "probabilities")}
    return engine.run(ROWS)


def softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)


def test_logits_get_a_softmax() -> None:
    outputs = answers(logits_only(), SOURCE, SCORES)

    assert np.allclose(outputs["logits"], ROWS @ WEIGHTS, atol=1e-6)
    assert np.allclose(outputs["probabilities"], softmax(ROWS @ WEIGHTS), atol=1e-6)


@pytest.mark.parametrize("probabilities", [None, "p"])
def test_probabilities_of_many_classes_sum_to_1_though_float32_rounds_their_sum(probabilities: str | None) -> None:
    classes = 1000
    scores = np.full(classes, -16.8, np.float32)  # a sum that float32 takes from 1 by 3e-6
    scores[0] = 0
    nodes = [node("MatMul", "x zeros", "zero"), node("Add", "zero numbers", "scores"), node("Softmax", "scores", "p")]
    constants = {"zeros": np.zeros((2, classes), np.float32), "numbers": scores}
    graph = model(nodes, outputs=[tensor(name, ["n", classes]) for name in ("scores", "p")], constants=constants)

    is_rounded = probabilities is not None
    outputs = answers(graph, SOURCE, Heads("scores", probabilities, classes, are_float32=True, is_rounded=is_rounded))

    assert np.abs(outputs["probabilities"].sum(axis=1, dtype=np.float64) - 1).max() <= 2.0**-23


def test_probabilities_get_their_logarithm_which_is_finite_for_0() -> None:
    nodes = [node("Constant", "", "p", value=numpy_helper.from_array(np.array([[1, 0, 1e-40]], np.float32)))]
    nodes += [node("MatMul", "x w", "s"), node("Mul", "s zero", "z"), node("Add", "z p", "scores")]
    constants = {"w": WEIGHTS, "zero": np.zeros(1, np.float32)}
    graph = model(nodes, outputs=[tensor("scores", ["n", 3])], constants=constants)

    outputs = answers(graph, SOURCE, Heads(None, "scores", 3, are_float32=True))

    assert np.allclose(outputs["probabilities"], [1, 0, 0])
    assert np.allclose(outputs["logits"], [0, -87.336, -87.336], atol=1e-3)


def test_the_input_of_a_softmax_becomes_an_output_once() -> None:
    nodes = [node("MatMul", "x w", "s"), node("Softmax", "s", "p"), node("Softmax", "s", "q")]
    graph = model(nodes, outputs=[tensor(name, ["n", 3]) for name in ("s", "p", "q")])

    found = show_softmax_inputs(graph)

    assert found == {"p": "s", "q": "s"}
    assert [output.name for output in graph.graph.output] == ["s", "p", "q"]


def test_nodes_that_the_outputs_do_not_need_are_dropped() -> None:
    graph = logits_only()
    names = numpy_helper.from_array(np.array(["a", "b", "c"], dtype=object), "names")
    graph.graph.initializer.append(names)
    graph.graph.node.extend(
        [
            node("ArgMax", "scores", "best", axis=1, keepdims=0),
            node("ArrayFeatureExtractor", "names best", "label", domain="ai.onnx.ml"),
        ]
    )

    answers(graph, SOURCE, SCORES)

    assert [each.op_type for each in graph.graph.node] == ["MatMul", "Softmax"]
    assert [each.name for each in graph.graph.initializer] == ["w"]


@pytest.mark.parametrize("name", ["features", "logits", "probabilities", "softmaxd_held", "softmaxd_logits"])
@pytest.mark.parametrize("kind", ["float", "bool"])
def test_tensors_inside_may_have_our_names(name: str, kind: str) -> None:
    number = TensorProto.DataType.Value(kind.upper())
    nodes = [
        node("Cast", "x", name, to=TensorProto.FLOAT),
        node("Neg", name, "logits_"),
        node("Neg", "logits_", "y"),
        node("MatMul", "y w", "scores"),
    ]
    graph = model(nodes, inputs=[tensor("x", ["n", 2], number)], outputs=[tensor("scores", ["n", 3])])

    outputs = answers(graph, Input("x", kind, (2,), None), SCORES)

    rows = slice(2, 3) if kind == "bool" else slice(3)  # the others are no booleans
    assert np.allclose(outputs["logits"][rows], (ROWS @ WEIGHTS)[rows], atol=1e-6)


def test_the_branches_of_an_if_may_have_our_names_and_take_renamed_tensors() -> None:
    chosen = [tensor("logits", ["n", 3])]
    branches = {
        "then_branch": helper.make_graph([node("Add", "probabilities features", "logits")], "then", [], chosen),
        "else_branch": helper.make_graph([node("Identity", "features", "logits")], "else", [], chosen),
    }
    nodes = [
        node("MatMul", "x w", "features"),
        node("Neg", "features", "probabilities"),
        node("Constant", "", "flag", value=numpy_helper.from_array(np.array(False))),
        node("If", "flag", "scores", **branches),
    ]
    graph = model(nodes, outputs=[tensor("scores", ["n", 3])])

    outputs = answers(graph, SOURCE, SCORES)

    assert np.allclose(outputs["logits"], ROWS @ WEIGHTS, atol=1e-6)


def test_constants_that_are_inputs_too_stay_so_as_old_files_need_it() -> None:
    graph = model(
        [node("MatMul", "x w", "scores")],
        inputs=[tensor("w", [2, 3]), tensor("x", ["n", 2]), tensor("unused", [1])],
        outputs=[tensor("scores", ["n", 3])],
        constants={"w": WEIGHTS, "unused": np.zeros(1, np.float32)},
        opset=9,
    )
    graph.ir_version = 3

    outputs = answers(graph, SOURCE, SCORES)

    assert [each.name for each in graph.graph.input] == ["features", "w"]
    assert np.allclose(outputs["logits"], ROWS @ WEIGHTS, atol=1e-6)


def test_sparse_constants_are_kept_and_renamed() -> None:
    values = numpy_helper.from_array(np.array([2.0, 3.0], np.float32), "logits")
    indices = numpy_helper.from_array(np.array([0, 5], np.int64), "places")
    graph = model([node("MatMul", "x logits", "scores")], outputs=[tensor("scores", ["n", 3])], constants={})
    unused = numpy_helper.from_array(np.array([2.0, 3.0], np.float32), "unused")
    for each in (values, unused):
        graph.graph.sparse_initializer.append(helper.make_sparse_tensor(each, indices, [2, 3]))

    rewire(graph, SOURCE, SCORES)

    assert [each.values.name for each in graph.graph.sparse_initializer] == ["logits_"]

    outputs = Engine(graph.SerializeToString(), device="cpu").run(ROWS)
    assert np.allclose(outputs["logits"], ROWS @ np.array([[2, 0, 0], [0, 0, 3]]))


def test_a_graph_without_standard_operators_gets_their_opset() -> None:
    classifier = node(
        "LinearClassifier",
        "x",
        "label scores",
        domain="ai.onnx.ml",
        classlabels_ints=[0, 1, 2],
        coefficients=WEIGHTS.T.ravel().tolist(),
        intercepts=[0.0] * 3,
        post_transform="NONE",
    )
    graph = model([classifier], outputs=[tensor("scores", ["n", 3])], constants={})
    del graph.opset_import[0]
    assert opset(read(graph.SerializeToString())) == 0

    outputs = answers(graph, SOURCE, SCORES)

    assert opset(graph) == 9
    assert np.allclose(outputs["logits"], ROWS @ WEIGHTS, atol=1e-6)


def whole(kind: int) -> onnx.ModelProto:
    nodes = [node("Cast", "x", "c", to=TensorProto.FLOAT), node("MatMul", "c w", "scores")]
    return model(nodes, inputs=[tensor("x", ["n", 2], kind)], outputs=[tensor("scores", ["n", 3])])


@pytest.mark.parametrize(("row", "is_held"), [([1, 0], True), ([2, 0], False), ([0, 0.5], False), ([0, -1], False)])
def test_a_number_that_is_no_boolean_gives_nan(row: list[float], is_held: bool) -> None:
    graph = whole(TensorProto.BOOL)
    rewire(graph, Input("x", "bool", (2,), None), SCORES)

    outputs = Engine(graph.SerializeToString(), device="cpu").run(np.array([[1, 1], row, [0, 0]], np.float32))

    for values in outputs.values():
        assert np.isfinite(values).all(axis=1).tolist() == [True, is_held, True]


@pytest.mark.parametrize("datatype", DTYPES)
def test_an_input_of_a_type_that_is_served_keeps_it(datatype: Datatype) -> None:
    graph = exact(datatype)
    name = KINDS[datatype]
    assert Input("x", name, (2,), None).datatype == datatype

    rewire(graph, Input("x", name, (2,), None), Heads("s", "p", 3, are_float32=True))

    onnx.checker.check_model(graph, full_check=True)
    engine = Engine(graph.SerializeToString(), device="cpu")
    assert engine.inputs == {"features": (f"tensor({name})", ["n", 2])}
    assert [each.op_type for each in graph.graph.node] == [each.op_type for each in exact(datatype).graph.node]


def test_a_rewired_graph_can_be_rewired_again() -> None:
    graph = whole(TensorProto.BOOL)
    once = answers(graph, Input("x", "bool", (2,), None), SCORES)

    twice = answers(
        graph, Input("features", "float", (2,), None), Heads("logits", "probabilities", 3, are_float32=True)
    )

    assert np.array_equal(once["logits"], twice["logits"], equal_nan=True)


def test_the_kept_parts_of_the_committed_model_stay_as_they_are() -> None:
    before = onnx.load(MODELS / "blobs" / "1" / "model.onnx")
    after = onnx.load(MODELS / "blobs" / "1" / "model.onnx")

    rewire(after, Input("features", "float", (2,), None), Heads("logits", "probabilities", 4, are_float32=True))

    assert [output.name for output in after.graph.output] == ["logits", "probabilities"]
    for kept, had in ((after.graph.node, before.graph.node), (after.graph.initializer, before.graph.initializer)):
        assert len(kept) > 0
        assert all(part in had for part in kept)


def test_an_output_of_float16_becomes_float32_under_its_name_and_keeps_its_users() -> None:
    nodes = [node("Cast", "x", "h", to=TensorProto.FLOAT16), node("Identity", "h", "y"), node("Neg", "y", "z")]
    outputs = [tensor(name, ["n", 2], TensorProto.FLOAT16) for name in ("y", "z")]
    graph = model(nodes, outputs=outputs, constants={})

    widen(graph, ["y"])

    engine = Engine(graph.SerializeToString(), device="cpu")
    found = engine.run(ROWS)
    assert [kind for kind, _ in engine.outputs.values()] == ["tensor(float)", "tensor(float16)"]
    assert np.array_equal(found["y"], ROWS)
    assert np.array_equal(found["z"], -ROWS)
