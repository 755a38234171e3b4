from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from softmaxd.models.engine import Engine
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS
from softmaxd.models.outputs import Array
from softmaxd.models.subgraph import part_of
from tests.support.onnx_models import classifier, endless, linear, looping, with_atypicality
from tests.support.paths import MODELS

FILES = sorted(MODELS.glob("*/*/model.onnx"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-3:-1]))
def test_the_parts_of_the_committed_models_give_the_same_bits(file: Path) -> None:
    content = file.read_bytes()
    whole = Engine(file, device="cpu")
    (shape,) = [[int(size) for size in shape[1:] if size] for _, shape in whole.inputs.values()]
    features = np.random.default_rng(0).uniform(-5, 20, (97, *shape)).astype(np.float32)
    expected = whole.run(features)

    parts: dict[str, Array] = {}
    for names in (OUTPUTS, [ATYPICALITY]):
        part = part_of(content, names)
        assert len(part) < len(content)
        onnx.checker.check_model(onnx.load_model_from_string(part), full_check=True)
        parts |= Engine(part, device="cpu").run(features)

    assert parts.keys() == expected.keys() == {*OUTPUTS, ATYPICALITY}
    for name, values in parts.items():
        assert values.tobytes() == expected[name].tobytes()


def test_nodes_and_weights_of_other_outputs_are_left_out() -> None:
    model = with_atypicality(linear())

    plain = onnx.load_model_from_string(part_of(model.SerializeToString(), OUTPUTS))
    rest = onnx.load_model_from_string(part_of(model.SerializeToString(), [ATYPICALITY]))

    assert [node.op_type for node in plain.graph.node] == ["Gemm", "Softmax"]
    assert [weights.name for weights in plain.graph.initializer] == ["weights", "bias"]
    assert [node.op_type for node in rest.graph.node] == ["ReduceSumSquare", "Min"]
    assert [weights.name for weights in rest.graph.initializer] == ["axis", "far"]
    assert [output.name for output in rest.graph.output] == [ATYPICALITY]
    assert plain.graph.input == rest.graph.input == model.graph.input
    assert plain.opset_import == model.opset_import


def test_all_of_a_graph_is_its_part_with_all_outputs() -> None:
    model = with_atypicality(linear())
    model.graph.value_info.append(helper.make_tensor_value_info("squared", onnx.TensorProto.FLOAT, ["n"]))

    assert onnx.load_model_from_string(part_of(model.SerializeToString(), [*OUTPUTS, ATYPICALITY])) == model


def test_weights_that_an_old_file_has_among_its_inputs_are_left_out_there_too() -> None:
    model = with_atypicality(linear())
    model.ir_version = 3
    kinds = {"weights": [2, 3], "bias": [3]}
    for name, shape in kinds.items():
        model.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))

    rest = onnx.load_model_from_string(part_of(model.SerializeToString(), [ATYPICALITY]))
    plain = onnx.load_model_from_string(part_of(model.SerializeToString(), OUTPUTS))

    assert [value.name for value in rest.graph.input] == ["features"]
    assert [value.name for value in plain.graph.input] == ["features", *kinds]


@pytest.mark.parametrize("model", [endless(), looping()], ids=["a tensor", "no tensor"])
def test_a_node_with_a_graph_inside_cannot_be_told_apart(model: onnx.ModelProto) -> None:
    with pytest.raises(ValueError, match="a graph in a node"):
        part_of(model.SerializeToString(), OUTPUTS)


def test_a_graph_inside_a_node_that_is_not_needed_does_no_harm() -> None:
    content = with_atypicality(looping()).SerializeToString()

    found = Engine(part_of(content, [ATYPICALITY]), device="cpu").run(np.array([[3, 4]], np.float32))

    assert found.keys() == {ATYPICALITY}
    assert found[ATYPICALITY] == [25]


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\x05abc", b"\x3a\x02\x0a\x05"])
def test_no_onnx_file(content: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        part_of(content, OUTPUTS)


def test_long_graphs_have_their_length() -> None:
    weights = np.random.default_rng(0).normal(size=(3_000, 3)).astype(np.float32)
    model = classifier([helper.make_node("MatMul", ["features", "weights"], ["logits"])], {"weights": weights})

    assert onnx.load_model_from_string(part_of(model.SerializeToString(), OUTPUTS)) == model
