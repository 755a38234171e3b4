"""Runs the nodes that training draws for a table, and draws hard rows for them."""

from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, checker, helper

from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from softmaxd_training.tables.nodes import Nodes
from softmaxd_training.tables.vocabulary import Texts

OUTPUT = "found"

Run = Callable[[Array, Texts], Array]


def run_of(nodes: Nodes, rows: tuple[Array, Texts], kind: int = TensorProto.FLOAT) -> Run:
    """Return a function that gives the tensor `found` of some nodes, whose inputs are `numeric` and `text`."""
    numbers, texts = rows
    inputs = [
        helper.make_tensor_value_info("numeric", TensorProto.FLOAT, ["n", numbers.shape[1]]),
        helper.make_tensor_value_info("text", TensorProto.STRING, ["n", texts.shape[1]]),
    ]
    output = helper.make_tensor_value_info(OUTPUT, kind, ["n", "width"])
    graph = helper.make_graph(nodes.nodes, "drawn", inputs, [output], nodes.constants)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    checker.check_model(model, full_check=True)
    engine = Engine(model.SerializeToString(), device="cpu")
    return lambda numbers, texts: engine.run_inputs({"numeric": numbers, "text": texts})[OUTPUT]


def texts_of(*rows: Sequence[str]) -> Texts:
    """Return rows of texts, each as long as the others."""
    return np.array(rows, dtype=object)


def hard_numbers(rows: int, columns: int) -> st.SearchStrategy[Array]:
    """Return a strategy for any float32: missing, infinite, denormal, huge, and -0."""
    return arrays.arrays(np.float32, (rows, columns), elements=st.floats(width=32))


def hard_texts(rows: int, columns: int, known: Sequence[str]) -> st.SearchStrategy[Texts]:
    """Return a strategy for texts: known ones, longer ones, missing ones, and any text of Unicode."""
    endings = st.sampled_from(["\0", " ", "😀", "|"])
    text = st.one_of(
        st.just(""),
        st.sampled_from(known),
        st.builds(str.__add__, st.sampled_from(known), endings),
        st.builds(str.__add__, st.sampled_from(["0|", "1|", "10|"]), st.sampled_from(known)),
        st.text(max_size=8),
    )
    return arrays.arrays(object, (rows, columns), elements=text)
