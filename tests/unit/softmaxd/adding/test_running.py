"""A graph is tried with rows that its input takes, and compared within a tolerance."""

import numpy as np
import pytest

from softmaxd.adding.graphs import Heads, Input
from softmaxd.adding.running import (
    are_near,
    check_rows_are_independent,
    example_rows,
    fixed_rows,
    open_graph,
    run,
    shape_text,
)
from softmaxd.errors import Refused
from softmaxd.models.manifest import DTYPES, KINDS, Datatype
from tests.support.onnx_graphs import logits_only, model, node, tensor

ANY_ROWS = Input("x", "float", 2, None)
TWO_ROWS = Input("x", "float", 2, 2)
SCORES = Heads("scores", None, 3, are_float32=True)


@pytest.mark.parametrize("datatype", DTYPES)
def test_the_rows_are_zeros_ones_and_random_numbers_of_the_inputs_type(datatype: Datatype) -> None:
    rows = example_rows(Input("x", KINDS[datatype], 5, None))

    assert rows.dtype == DTYPES[datatype]
    assert rows.shape == (8, 5)
    assert (rows[:2] == [[0], [1]]).all()
    assert np.isfinite(rows).all()


def test_the_rows_for_booleans_are_0_and_1() -> None:
    assert set(example_rows(Input("x", "bool", 9, None)).ravel().tolist()) == {0, 1}


def test_the_rows_are_always_the_same() -> None:
    assert np.array_equal(example_rows(ANY_ROWS), example_rows(ANY_ROWS))


@pytest.mark.parametrize(
    ("values", "others", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], True),
        ([1.0, 0.5], [1.0, 0.5 + 0.9e-5], True),
        ([1.0, 0.5], [1.0, 0.5 + 1.1e-5], False),
        ([1000.0, 0.5], [1000.0, 0.5 + 0.9e-2], True),
        ([1000.0, 0.5], [1000.0, 0.5 + 1.1e-2], False),
        ([np.nan, np.inf], [np.nan, np.inf], True),
        ([np.nan, 1.0], [0.0, 1.0], False),
        ([1.0], [1.0, 1.0], False),
    ],
)
def test_numbers_are_near_within_the_tolerance(values: list[float], others: list[float], expected: bool) -> None:
    assert are_near(np.array(values), np.array(others)) == expected


def test_a_shape_has_n_for_a_size_that_is_not_fixed() -> None:
    assert shape_text([None, "d", 4]) == "[n, d, 4]"


def test_a_graph_that_cannot_be_loaded_is_refused() -> None:
    graph = logits_only()
    graph.graph.node[0].input.append("w")

    with pytest.raises(Refused, match=r"^ONNX Runtime cannot load it: "):
        open_graph(graph)


def test_a_graph_that_is_too_new_is_refused_with_the_newest_that_is_not() -> None:
    graph = logits_only()
    graph.opset_import[0].version = 99

    with pytest.raises(Refused, match=r"^opset 99 is too new for ONNX Runtime \S+: export with opset \d+ or older$"):
        open_graph(graph)


@pytest.mark.parametrize(
    ("source", "words"), [(ANY_ROWS, "ONNX Runtime cannot run it: "), (TWO_ROWS, "it takes exactly")]
)
def test_a_graph_that_does_not_run_is_refused(source: Input, words: str) -> None:
    constants = {"w": np.eye(2, 3, dtype=np.float32), "shape": np.array([7, 5])}
    nodes = [node("MatMul", "x w", "s"), node("Reshape", "s shape", "scores")]
    engine = open_graph(model(nodes, outputs=[tensor("scores", None)], constants=constants))

    with pytest.raises(Refused, match=f"^{words}"):
        run(engine, example_rows(source), source)


def test_an_error_for_a_fixed_number_of_rows_names_it() -> None:
    assert fixed_rows(ANY_ROWS) is None
    assert str(fixed_rows(TWO_ROWS)).startswith("it takes exactly 2 rows: export it with any number of rows ")


def test_rows_that_depend_on_each_other_are_refused() -> None:
    nodes = [node("MatMul", "x w", "s"), node("ReduceMean", "s", "m", axes=[0]), node("Sub", "s m", "scores")]
    engines = [open_graph(logits_only()), open_graph(model(nodes, outputs=[tensor("scores", ["n", 3])]))]
    rows = example_rows(ANY_ROWS)
    independent, dependent = (run(engine, rows, ANY_ROWS) for engine in engines)

    check_rows_are_independent(engines[0], rows, independent, ANY_ROWS, SCORES)
    with pytest.raises(Refused, match=r"^the answer for a row depends on the other rows"):
        check_rows_are_independent(engines[1], rows, dependent, ANY_ROWS, SCORES)
