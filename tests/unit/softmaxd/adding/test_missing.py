"""Features may be missing where the graph has an operator for that, and answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest

from softmaxd.adding.categories import known_texts
from softmaxd.adding.columns import trace
from softmaxd.adding.examples import table_rows, with_known
from softmaxd.adding.graphs import Heads, Input
from softmaxd.adding.missing import Missing, Trial, find_missing
from softmaxd.adding.rewiring import free_rows
from softmaxd.adding.running import example_rows, open_graph, run
from softmaxd.adding.tables import Source, Table
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array, Features
from tests.support.onnx_graphs import model, node, tensor
from tests.support.table_graphs import CLASSICAL, JOBS, PEOPLE, TEXTS, imputer, people

NAN = float("nan")
TWO = Input("x", "float", (2,), None)
SCORES = Heads("scores", None, 2, are_float32=True)


def missing(graph: onnx.ModelProto, source: Source = PEOPLE, *told: str) -> Missing:
    free_rows(graph, source)
    engine, traces = open_graph(graph), trace(graph, source)
    known = known_texts(graph, engine, source, traces)
    names = ["age", "job"] if isinstance(source, Table) else ["x0", "x1"]
    rows = table_rows(source, {}, known) if isinstance(source, Table) else example_rows(source, {})
    rows = with_known(source, rows, known)
    trial = Trial(engine, source, rows, run(engine, rows, source), SCORES)
    return find_missing(graph, trial, traces, known, names, told)


def numbers(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    return model(
        list(nodes),
        outputs=[tensor("scores", ["n", 2])],
        constants={"w": np.eye(2, dtype=np.float32), "zero": np.zeros(1, np.float32)},
    )


def trees(**attributes: Any) -> onnx.ModelProto:
    """Return a classifier whose tree compares x0 with 0.5."""
    tree = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 1],
        "class_weights": [1.0, 1.0],
        "classlabels_int64s": [0, 1],
        "post_transform": "NONE",
    }
    return numbers(node("TreeEnsembleClassifier", "x", "label scores", **(tree | attributes), **CLASSICAL))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (numbers(imputer("x", "y"), node("MatMul", "y w", "scores")), {0: "", 1: ""}),
        (numbers(imputer("x", "y", replaced_value_float=-1.0), node("MatMul", "y w", "scores")), {}),
        (numbers(node("IsNaN", "x", "is"), node("Where", "is zero x", "scores")), {0: "", 1: ""}),
        (numbers(node("IsNaN", "x", "is"), node("Cast", "is", "i", to=1), node("Add", "i x", "scores")), {}),
        (numbers(node("MatMul", "x w", "scores")), {}),
        (trees(), {}),
        (trees(nodes_missing_value_tracks_true=[0, 0, 0]), {}),
        (trees(nodes_missing_value_tracks_true=[1, 0, 0]), {0: "", 1: ""}),
        (trees(nodes_values=[-3.4028234663852886e38, 0.0, 0.0]), {0: ""}),
    ],
)
def test_numbers_may_be_missing_where_an_operator_knows_them(graph: onnx.ModelProto, expected: Missing) -> None:
    assert missing(graph, TWO) == expected


def test_numbers_may_not_be_missing_where_they_change_the_answers_of_other_rows() -> None:
    nodes = [
        imputer("x", "y"),
        node("IsNaN", "x", "is"),
        node("Cast", "is", "i", to=1),
        node("ReduceSum", "i axis", "count"),
        node("Add", "y count", "scores"),
    ]
    graph = numbers(*nodes)
    graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "axis"))

    assert missing(graph, TWO) == {}


def test_in_a_table_only_the_columns_that_are_imputed_may_be_missing() -> None:
    assert missing(people(imputer("age", "known_age"), age="known_age")) == {0: ""}


class CountedEngine(Engine):
    """An engine that counts its runs."""

    runs = 0

    def run_inputs(self, features: Mapping[str, Features]) -> dict[str, Array]:
        self.runs += 1
        return super().run_inputs(features)


@pytest.mark.parametrize(("bad", "most_runs"), [([], 4), ([5], 32), ([0, 31, 63], 80)])
def test_many_features_are_tried_at_once_and_then_by_halves(bad: list[int], most_runs: int) -> None:
    width = 64
    handled = np.array([index not in bad for index in range(width)])
    graph = model(
        [
            node("IsNaN", "x", "is"),
            node("And", "is handled", "known"),
            node("Where", "known zero x", "y"),
            node("MatMul", "y w", "scores"),
        ],
        inputs=[tensor("x", ["n", width])],
        outputs=[tensor("scores", ["n", 2])],
        constants={"handled": handled, "zero": np.zeros(1, np.float32), "w": np.ones((width, 2), np.float32)},
    )
    source = Input("x", "float", (width,), None)
    rows = example_rows(source, {})
    engine = CountedEngine(graph.SerializeToString())
    trial = Trial(engine, source, rows, open_graph(graph).run_inputs(source.fed(rows)), SCORES)

    found = find_missing(graph, trial, trace(graph, source), {}, [f"x{index}" for index in range(width)], ())

    assert list(found) == np.flatnonzero(handled).tolist()
    assert engine.runs <= most_runs


@pytest.mark.parametrize("zeros", [0, 1])
@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (JOBS, {}),
        (("", "clerk", "nan"), {1: "nan"}),
        (("None", "clerk", "nan"), {1: "nan"}),
        (("clerk", "missing"), {1: "missing"}),
        (("NA", "US"), {}),  # countries
    ],
)
def test_a_text_may_be_missing_that_has_a_category_for_it(
    categories: Sequence[str], expected: Missing, zeros: int
) -> None:
    assert missing(people(categories=categories, zeros=zeros)) == expected


def test_a_category_for_missing_without_a_finite_answer_is_none() -> None:
    graph = people(categories=("", "clerk"))
    weights = np.array([[np.inf, 0], [0, 1]], np.float32)
    graph.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, "jw"))

    assert missing(graph) == {}


def test_the_owner_may_say_which_others_may_be_missing() -> None:
    assert missing(trees(), TWO, "x1") == {1: ""}
    assert missing(people(), PEOPLE, "job") == {1: ""}
    assert missing(people(imputer("age", "a"), age="a"), PEOPLE, "job", "age") == {0: "", 1: ""}


@pytest.mark.parametrize(
    ("graph", "source", "told", "message"),
    [
        (trees(), TWO, "x2", "--nullable has the name 'x2', which no feature has: these are x0, x1$"),
        (numbers(node("MatMul", "x w", "scores")), TWO, "x1", "--nullable x1: its outputs are not finite where x1 is "),
        (people(zeros=0), PEOPLE, "job", "--nullable job: the graph does not take the empty text, which stands for a"),
    ],
)
def test_the_owner_is_refused_where_the_graph_gives_no_answer(
    graph: onnx.ModelProto, source: Source, told: str, message: str
) -> None:
    with pytest.raises(Refused, match=message):
        missing(graph, source, told)


def test_numbers_of_tensors_cannot_be_missing() -> None:
    source = Input("x", "float", (2, 2), None)
    nodes = [node("Flatten", "x", "flat"), imputer("flat", "y"), node("MatMul", "y w", "scores")]
    graph = model(
        nodes,
        inputs=[tensor("x", ["n", 2, 2])],
        outputs=[tensor("scores", ["n", 2])],
        constants={"w": np.ones((4, 2), np.float32)},
    )

    assert missing(graph, source) == {}
    with pytest.raises(Refused, match=r"^--nullable x: rows that are tensors have no missing numbers$"):
        missing(graph, source, "x")


def test_whole_numbers_cannot_be_missing() -> None:
    graph = people(
        node("Cast", "age", "number", to=1), inputs={"age": (7, ["n", 1]), "job": (TEXTS, ["n", 1])}, age="number"
    )
    source = Table((Input("age", "int64", (1,), None), Input("job", "string", (1,), None)))

    with pytest.raises(Refused, match="--nullable age: a number of the type INT64 cannot be missing, as it has no NaN"):
        missing(graph, source, "age")
