"""The texts that a graph knows are found at its encoders, or by trying."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from softmaxd.adding.categories import known_numbers, known_texts, only_categories
from softmaxd.adding.columns import trace
from softmaxd.adding.examples import Texts
from softmaxd.adding.graphs import Input
from softmaxd.adding.rewiring import free_rows
from softmaxd.adding.running import open_graph
from softmaxd.adding.tables import Source, Table
from tests.support.onnx_graphs import logits_only, model, node, tensor
from tests.support.table_graphs import CLASSICAL, PEOPLE, TEXTS, people

TWO = Table((Input("texts", "string", (2,), None),))


def known(graph: onnx.ModelProto, source: Source = PEOPLE) -> Texts:
    free_rows(graph, source)
    return known_texts(graph, open_graph(graph), source, trace(graph, source))


def labels(**keys: Any) -> list[onnx.NodeProto]:
    """Return nodes that make scores of a column of texts by numbers for them."""
    return [
        node("LabelEncoder", "texts", "number", default_float=-1.0, **keys, **CLASSICAL),
        node("MatMul", "number w", "scores"),
    ]


def of_texts(*nodes: onnx.NodeProto, columns: int = 1, rows: int = 1, **constants: Any) -> onnx.ModelProto:
    """Return a classifier of texts."""
    weights = {"w": np.ones((rows, 2), np.float32) * [1, -1]}
    return model(
        list(nodes),
        inputs=[tensor("texts", ["n", columns], TEXTS)],
        outputs=[tensor("scores", ["n", 2])],
        constants={name: np.asarray(values) for name, values in (weights | constants).items()}
        | {"w": weights["w"].astype(np.float32)},
    )


ONE = Table((Input("texts", "string", (1,), None),))


def test_the_categories_of_an_encoder_are_known() -> None:
    assert known(people(categories=["nurse", "Zoë", "clerk"])) == {1: ["Zoë", "clerk", "nurse"]}


def test_a_graph_of_numbers_knows_no_texts() -> None:
    assert known(logits_only(), Input("x", "float", (2,), None)) == {}


KEYS = TensorProto(name="keys", data_type=TensorProto.STRING, dims=[2], string_data=[b"b", b"a"])
VALUES = helper.make_tensor("values", TensorProto.FLOAT, [2], [1.0, 2.0])


@pytest.mark.parametrize(
    "keys", [{"keys_strings": ["b", "a"], "values_floats": [1.0, 2.0]}, {"keys_tensor": KEYS, "values_tensor": VALUES}]
)
def test_the_keys_of_a_label_encoder_are_known(keys: dict[str, Any]) -> None:
    graph = of_texts(*labels(**keys))
    graph.opset_import[1].version = 4 if "keys_tensor" in keys else 3
    if "keys_tensor" in keys:
        encoder = graph.graph.node[0]
        del encoder.attribute[:]
        default = helper.make_tensor("d", TensorProto.FLOAT, [1], [-1.0])
        encoder.attribute.extend(helper.make_attribute(k, v) for k, v in {**keys, "default_tensor": default}.items())

    assert known(graph, ONE) == {0: ["a", "b"]}


def test_a_text_that_is_compared_is_known() -> None:
    nodes = [node("Equal", "texts yes", "is"), node("Cast", "is", "number", to=1), node("MatMul", "number w", "scores")]

    graph = of_texts(*nodes, yes=np.array(["yes"], object))
    graph.opset_import[0].version = 19

    assert known(graph, ONE) == {0: ["yes"]}


def hidden(*, categories: list[str], zeros: int = 1) -> onnx.ModelProto:
    """Return a classifier of two texts whose second column alone is encoded, behind operators that hide it."""
    nodes = [
        node("Transpose", "texts", "turned", perm=[1, 0]),
        node("Gather", "turned one", "column"),
        node("OneHotEncoder", "column", "hot", cats_strings=categories, zeros=zeros, **CLASSICAL),
        node("Reshape", "hot shape", "flat"),
        node("MatMul", "flat w", "scores"),
    ]
    return of_texts(*nodes, columns=2, rows=len(categories), one=np.array(1), shape=np.array([-1, len(categories)]))


def test_where_columns_are_hidden_the_answer_tells_which_texts_are_known() -> None:
    assert known(hidden(categories=["a", "b"]), TWO) == {0: [], 1: ["a", "b"]}


def test_where_an_unknown_text_is_an_error_those_that_run_are_known() -> None:
    assert known(hidden(categories=["a", "b"], zeros=0), TWO)[1] == ["a", "b"]


def words() -> onnx.ModelProto:
    """Return a classifier of a text by its words a and b."""
    vectorizer = node(
        "TfIdfVectorizer",
        "texts",
        "counts",
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=[0, 1],
        pool_strings=["b", "a"],
    )
    graph = of_texts(vectorizer, node("MatMul", "counts w", "scores"), rows=2, more=np.array(["c"], object))
    graph.graph.node.append(node("Constant", "", "unused", value=KEYS))
    return graph


def test_a_text_without_an_encoder_has_those_of_the_graph_that_make_a_difference() -> None:
    assert known(words(), ONE) == {0: ["a", "b"]}


def test_a_text_that_is_split_into_words_has_no_categories() -> None:
    graph = words()

    assert only_categories(graph, {0: ["a", "b"]}, trace(graph, ONE)) == {0: ()}
    assert only_categories(people(), {1: ["a", "b"]}, trace(people(), PEOPLE)) == {1: ["a", "b"]}


def test_a_graph_that_gives_no_numbers_tells_nothing_by_its_answers() -> None:
    graph = of_texts(node("Transpose", "texts", "scores", perm=[1, 0]), word=np.array(["a"], object))
    graph.graph.output[0].CopyFrom(tensor("scores", None, TEXTS))

    assert known(graph, ONE) == {0: []}


def test_the_numbers_of_encoders_are_known() -> None:
    nodes = [
        node("OneHotEncoder", "x", "a", cats_int64s=[3, 1], **CLASSICAL),
        node("LabelEncoder", "x", "b", keys_floats=[2.5, float("nan")], values_int64s=[1, 2], **CLASSICAL),
        node("OneHotEncoder", "w", "c", cats_int64s=[9], **CLASSICAL),
        node("Identity", "x", "scores"),
    ]
    graph = model(nodes, inputs=[tensor("x", ["n", 1])], outputs=[tensor("scores", ["n", 1])])

    assert known_numbers(graph, trace(graph, Input("x", "float", (1,), None))) == {0: [1, 2.5, 3]}
    assert known_numbers(people(), trace(people(), PEOPLE)) == {}
