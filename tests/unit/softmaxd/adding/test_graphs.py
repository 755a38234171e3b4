"""An ONNX file is read completely, or refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import Input, exporter, label_lists, label_text, nested_graphs, opset, read, tensor_names
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.manifest import KINDS, Datatype
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor


def test_a_graph_is_read_as_it_was_written() -> None:
    assert read(logits_only().SerializeToString()) == logits_only()


@pytest.mark.parametrize("content", [b"", b"garbage", logits_only().SerializeToString()[:-30]])
def test_a_file_that_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match=r"^this is not an ONNX file: export the model to ONNX first$"):
        read(content)


@pytest.mark.parametrize("name", [b"classifier", b"scores"], ids=["of the graph", "of an output of a node"])
def test_a_name_that_is_not_utf8_is_refused(name: bytes) -> None:
    content = logits_only().SerializeToString()

    with pytest.raises(Refused, match="it has a name or another text that is not UTF-8"):
        read(content.replace(name, b"\xff" + name[1:]))


def test_weights_in_another_file_are_refused() -> None:
    file = logits_only()
    (weights,) = file.graph.initializer
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="weights.bin")

    with pytest.raises(Refused, match=r"^the weights are in another file "):
        read(file.SerializeToString())


def test_custom_operators_are_refused_by_name() -> None:
    file = logits_only()
    file.graph.node[0].domain = "com.acme"

    with pytest.raises(Refused, match=r"^custom operators \(com\.acme\.MatMul\) are not supported"):
        read(file.SerializeToString())


@pytest.mark.parametrize(("number", "is_read"), [(8, False), (9, True), (17, True)])
def test_an_opset_without_where_is_refused(number: int, is_read: bool) -> None:
    content = model([node("MatMul", "x w", "s")], outputs=[tensor("s", ["n", 3])], opset=number).SerializeToString()

    if is_read:
        assert opset(read(content)) == number
    else:
        with pytest.raises(Refused, match=r"^opset 8 is too old: export with opset 9 or newer$"):
            read(content)


def test_functions_of_the_file_are_inlined() -> None:
    graph = logits_only()
    graph.graph.node[0].CopyFrom(node("Project", "x w", "scores", domain="own"))
    body = [node("MatMul", "a b", "c")]
    graph.functions.append(
        helper.make_function("own", "Project", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)])
    )
    graph.opset_import.append(helper.make_opsetid("own", 1))

    inlined = read(graph.SerializeToString())

    rows = np.eye(2, dtype=np.float32)
    assert [each.op_type for each in inlined.graph.node] == ["MatMul"]
    assert np.allclose(Engine(inlined.SerializeToString(), device="cpu").run(rows)["scores"], WEIGHTS)


def test_the_exporter_is_named_if_the_file_names_it() -> None:
    graph = logits_only()
    assert exporter(graph) == ""

    graph.producer_name, graph.producer_version = "skl2onnx", "1.20.0"

    assert exporter(graph) == "skl2onnx 1.20.0"


@pytest.mark.parametrize(("datatype", "kind"), KINDS.items())
def test_an_input_that_is_served_keeps_its_type(datatype: Datatype, kind: str) -> None:
    assert Input("x", kind, 2, None).datatype == datatype


@pytest.mark.parametrize("kind", ["float16", "bool"])
def test_an_input_of_another_type_is_served_as_float32(kind: str) -> None:
    assert Input("x", kind, 2, None).datatype == "FP32"


@pytest.mark.parametrize(
    ("label", "text"),
    [(b"\xc3\xbc", "ü"), (b"\xff", "\ufffd"), (7, "7"), (True, "1"), (np.bool_(False), "0"), ("a", "a")],
)
def test_a_label_becomes_text(label: object, text: str) -> None:
    assert label_text(label) == text


def test_label_lists_have_one_label_for_each_class() -> None:
    graph = logits_only()
    for name, labels in (("three", ["a", "b", "c"]), ("two", ["a", "b"])):
        graph.graph.initializer.append(numpy_helper.from_array(np.array(labels, dtype=object), name))
        graph.graph.node.append(node("ArrayFeatureExtractor", f"{name} best", f"label_{name}", domain="ai.onnx.ml"))

    assert label_lists(graph, 3) == {("a", "b", "c")}


def test_nested_graphs_and_their_tensors_are_found() -> None:
    inner = helper.make_graph([node("Identity", "outer", "inner")], "then", [], [tensor("inner", ["n", 3])])
    graph: onnx.GraphProto = model([node("If", "flag", "y", then_branch=inner)], outputs=[]).graph

    outer, nested = nested_graphs(graph)

    assert set(tensor_names(outer)) == {"x", "w", "flag", "y"}
    assert list(tensor_names(nested)) == ["outer", "inner"]
