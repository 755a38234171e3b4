"""An ONNX file is read completely, or refused."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from softmaxd.adding.graphs import (
    Input,
    exporter,
    label_lists,
    label_text,
    nested_graphs,
    opset,
    quantises_dynamically,
    read,
    tensor_names,
    unwrap_outputs,
    uses_bfloat16,
)
from softmaxd.errors import ModelError, Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import KINDS, Datatype
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor


def test_a_graph_is_read_as_it_was_written() -> None:
    assert read(logits_only().SerializeToString()) == logits_only()


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}"])
def test_a_file_that_is_no_onnx_file_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match=r"^this is not an ONNX file: export the model to ONNX first$"):
        read(content)


@pytest.mark.parametrize("end", [5, 30, -30, -1])
def test_a_file_that_is_cut_off_is_refused(end: int) -> None:
    with pytest.raises(Refused, match=r"^this ONNX file is damaged or incomplete: copy or export it again$"):
        read(logits_only().SerializeToString()[:end])


@pytest.mark.parametrize("name", [b"classifier", b"scores"], ids=["of the graph", "of an output of a node"])
def test_a_name_that_is_not_utf8_is_refused(name: bytes) -> None:
    content = logits_only().SerializeToString()

    with pytest.raises(Refused, match="it has a name or another text that is not UTF-8"):
        read(content.replace(name, b"\xff" + name[1:]))


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


def test_an_older_opset_with_the_same_operators_is_read_as_the_oldest_with_where() -> None:
    content = model([node("Identity", "x", "s")], outputs=[tensor("s", ["n", 2])], opset=8).SerializeToString()

    assert opset(read(content)) == 9


def test_an_unknown_operator_of_an_older_opset_is_refused() -> None:
    content = model([node("Sharpen", "x", "s")], outputs=[tensor("s", ["n", 2])], opset=8).SerializeToString()

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


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("Git info:\n    Commit: b1bd2a6\n    Branch: tags/v1.2.10\n    Summary: release 1.2.10.\n", "CatBoost 1.2.10"),
        ("Git info:\n", "CatBoost"),
        ("1.2.10 beta", "CatBoost 1.2.10 beta"),
    ],
)
def test_a_page_for_a_version_becomes_its_number(version: str, name: str) -> None:
    graph = logits_only()
    graph.producer_name, graph.producer_version = "CatBoost", version

    assert exporter(graph) == name


@pytest.mark.parametrize(("datatype", "kind"), KINDS.items())
def test_an_input_that_is_served_keeps_its_type(datatype: Datatype, kind: str) -> None:
    assert Input("x", kind, (2,), None).datatype == datatype


@pytest.mark.parametrize("kind", ["float16", "bool"])
def test_an_input_of_another_type_is_served_as_float32(kind: str) -> None:
    assert Input("x", kind, (2,), None).datatype == "FP32"


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


ROWS = np.array([[1, 2], [-3, 0.5]], dtype=np.float32)


def zip_map() -> onnx.ModelProto:
    """Return a classifier that gives dictionaries, and the label."""
    names = {"domain": "ai.onnx.ml", "classlabels_strings": ["a", "b", "c"]}
    nodes = [node("MatMul", "x w", "l"), node("Softmax", "l", "p"), node("ZipMap", "p", "maps", **names)]
    nodes.append(node("ArgMax", "p", "label", axis=1, keepdims=0))
    map_type = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    maps = helper.make_value_info("maps", helper.make_sequence_type_proto(map_type))
    return model(nodes, outputs=[tensor("label", ["n"], TensorProto.INT64), maps])


def quantised(last: str) -> onnx.ModelProto:
    """Return a classifier that ends with an operator, whose results are rounded to hundredths; and the best class."""
    nodes = [node("MatMul", "x w", "l"), node(last, "l", "t"), node("QuantizeLinear", "t scale zero", "q")]
    nodes += [node("DequantizeLinear", "q scale zero", "y"), node("ArgMax", "y", "label", axis=1, keepdims=0)]
    constants: dict[str, Any] = {"w": WEIGHTS, "scale": np.array(0.01, np.float32), "zero": np.array(0, np.uint8)}
    outputs = [tensor("y", ["n", 3]), tensor("label", ["n"], TensorProto.INT64)]
    return model(nodes, outputs=outputs, constants=constants)


def run(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    return Engine(graph.SerializeToString(), device="cpu").run(ROWS)


def test_the_table_behind_a_zipmap_becomes_the_output_and_its_labels_stay() -> None:
    graph = zip_map()

    notes = unwrap_outputs(graph)

    scores = np.exp(ROWS @ WEIGHTS)
    assert notes == ("maps: the tensor p, without its ZipMap",)
    assert [value.name for value in graph.graph.output] == ["label", "maps"]
    assert np.allclose(run(graph)["maps"], scores / scores.sum(axis=1, keepdims=True), atol=1e-6)
    assert label_lists(graph, 3) == {("a", "b", "c")}


def test_a_zipmap_of_float64_which_onnx_runtime_does_not_have_is_left_out_too() -> None:
    graph = zip_map()
    graph.graph.node[1].output[0] = "single"
    graph.graph.node.insert(2, node("Cast", "single", "p", to=TensorProto.DOUBLE))
    with pytest.raises(ModelError, match="ZipMap"):
        run(graph)

    unwrap_outputs(graph)

    assert run(graph)["maps"].dtype == np.float64
    assert label_lists(graph, 3) == {("a", "b", "c")}


def test_a_softmax_is_the_output_without_its_quantisation() -> None:
    graph = quantised("Softmax")

    notes = unwrap_outputs(graph)

    assert notes == ("y: the tensor t, without its quantisation",)
    assert np.allclose(run(graph)["y"].sum(axis=1), 1, atol=1e-6)
    assert run(graph)["label"].tolist() == (ROWS @ WEIGHTS).argmax(axis=1).tolist()


@pytest.mark.parametrize("graph", [quantised("Relu"), logits_only()])
def test_other_outputs_stay_as_they_are(graph: onnx.ModelProto) -> None:
    before = graph.SerializeToString()

    assert unwrap_outputs(graph) == ()
    assert graph.SerializeToString() == before


@pytest.mark.parametrize("operator", ["ZipMap", "DequantizeLinear"])
def test_a_node_without_inputs_wraps_nothing(operator: str) -> None:
    graph = logits_only()
    graph.graph.node[0].CopyFrom(node(operator, "", "scores"))

    assert unwrap_outputs(graph) == ()


def test_dynamic_quantisation_is_known_by_its_operator() -> None:
    graph = logits_only()
    assert not quantises_dynamically(graph)

    graph.graph.node.append(node("DynamicQuantizeLinear", "x", "q scale zero"))

    assert quantises_dynamically(graph)


def test_bfloat16_is_found_in_inputs_outputs_constants_and_casts() -> None:
    assert not uses_bfloat16(logits_only())
    for place in ("input", "output", "constant", "cast"):
        graph = logits_only()
        if place == "constant":
            graph.graph.initializer.append(helper.make_tensor("v", TensorProto.BFLOAT16, [1], [1.0]))
        elif place == "cast":
            graph.graph.node.append(node("Cast", "x", "y", to=TensorProto.BFLOAT16))
        else:
            getattr(graph.graph, place)[0].CopyFrom(tensor("x", ["n", 2], TensorProto.BFLOAT16))
        assert uses_bfloat16(graph), place
