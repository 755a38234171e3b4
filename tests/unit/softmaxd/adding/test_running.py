"""A graph is tried with rows that its input takes, and compared within a tolerance."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from softmaxd.adding.graphs import Heads, Input
from softmaxd.adding.running import (
    are_near,
    check_rows,
    example_rows,
    fixed_rows,
    open_graph,
    run,
    shape_text,
)
from softmaxd.errors import Refused
from softmaxd.models.manifest import DTYPES, KINDS, Datatype
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor

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


def test_a_graph_whose_operators_of_another_domain_are_too_new_is_refused_with_that_domain() -> None:
    graph = logits_only()
    graph.opset_import[1].version = 99

    with pytest.raises(
        Refused, match=r"^opset 99 of ai\.onnx\.ml is too new .*with opset \d of ai\.onnx\.ml or older$"
    ):
        open_graph(graph)


def test_a_graph_that_computes_in_bfloat16_is_refused_as_such() -> None:
    graph = logits_only()
    graph.graph.node[0].input[0] = "half"
    graph.graph.node.insert(0, node("Cast", "x", "half", to=TensorProto.BFLOAT16))

    with pytest.raises(Refused, match=r"^ONNX Runtime \S+ cannot compute in bfloat16 here: export it as float32 "):
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


@pytest.mark.parametrize("quantised", [False, True])
def test_rows_that_do_not_depend_on_each_other_need_no_note(quantised: bool) -> None:
    engine, rows = open_graph(logits_only()), example_rows(ANY_ROWS)

    assert check_rows(engine, rows, run(engine, rows, ANY_ROWS), ANY_ROWS, SCORES, quantised=quantised) == ()


def less_their_mean(*, ordered: bool = False) -> onnx.ModelProto:
    """Return a classifier whose scores depend on all rows, and on their order as well if wanted."""
    nodes = [node("MatMul", "x w", "s"), node("ReduceMean", "s", "m", axes=[0]), node("Sub", "s m", "t")]
    last = node("CumSum", "t axis", "scores") if ordered else node("Identity", "t", "scores")
    constants = {"w": WEIGHTS, "axis": np.array(0)}
    return model([*nodes, last], outputs=[tensor("scores", ["n", 3])], constants=constants)


@pytest.mark.parametrize(("ordered", "quantised"), [(False, False), (True, False), (True, True)])
def test_rows_that_depend_on_each_other_are_refused(ordered: bool, quantised: bool) -> None:
    engine, rows = open_graph(less_their_mean(ordered=ordered)), example_rows(ANY_ROWS)
    outputs = run(engine, rows, ANY_ROWS)

    with pytest.raises(Refused, match=r"^the answer for a row depends on the other rows"):
        check_rows(engine, rows, outputs, ANY_ROWS, SCORES, quantised=quantised)


def test_rows_may_depend_on_each_other_by_dynamic_quantisation_and_its_cost_is_noted() -> None:
    engine, rows = open_graph(less_their_mean()), example_rows(ANY_ROWS)

    (note,) = check_rows(engine, rows, run(engine, rows, ANY_ROWS), ANY_ROWS, SCORES, quantised=True)

    assert note.startswith("rows: each request runs alone, ")
    assert note.endswith("; static quantisation has fixed scales and would not")


def test_the_rows_for_float16_are_float16_numbers() -> None:
    rows = example_rows(Input("x", "float16", 5, None))

    assert rows.dtype == np.float32
    assert np.array_equal(rows, rows.astype(np.float16))
