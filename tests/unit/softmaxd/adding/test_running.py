"""A graph is tried with rows that its input takes, and compared within a tolerance."""

import hashlib
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from softmaxd.adding import running
from softmaxd.adding.graphs import Heads, Input
from softmaxd.adding.running import (
    Thresholds,
    are_near,
    check_rows,
    example_rows,
    fixed_rows,
    open_graph,
    run,
    shape_text,
)
from softmaxd.adding.tables import Table
from softmaxd.errors import Refused
from softmaxd.models.features import DTYPES, KINDS, Datatype
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor
from tests.support.table_graphs import JOB_WEIGHTS, job_nodes

ANY_ROWS = Input("x", "float", (2,), None)
TWO_ROWS = Input("x", "float", (2,), 2)
SCORES = Heads("scores", None, 3, are_float32=True)


@pytest.mark.parametrize("datatype", DTYPES)
def test_the_rows_are_zeros_ones_and_random_numbers_of_the_inputs_type(datatype: Datatype) -> None:
    rows = example_rows(Input("x", KINDS[datatype], (5,), None), {})

    assert rows.dtype == DTYPES[datatype]
    assert rows.shape == (66, 5)
    assert (rows[:2] == [[0], [1]]).all()
    assert np.isfinite(rows).all()


def test_the_random_numbers_are_of_several_scales() -> None:
    largest = np.abs(example_rows(Input("x", "double", (50,), None), {})[2:]).reshape(4, -1).max(axis=1)

    assert (largest <= [0.1, 1, 10, 100]).all()
    assert (largest > [0.09, 0.9, 9, 90]).all()


@pytest.mark.parametrize("thresholds", [{}, {0: [-3.0, 0.4, 7.0]}])
def test_the_rows_for_booleans_are_0_and_1(thresholds: Thresholds) -> None:
    assert set(example_rows(Input("x", "bool", (9,), None), thresholds).ravel().tolist()) == {0, 1}


@pytest.mark.parametrize("kind", ["float", "double"])
def test_rows_stand_at_the_thresholds_of_trees_and_on_either_side(kind: str) -> None:
    source = Input("x", kind, (3,), None)
    rows = example_rows(source, {0: [0.5], 2: [-4.0, 8.0]})
    dtype = DTYPES[source.datatype]

    added = rows[66:]
    numbers = {
        value: {float(np.nextafter(dtype.type(value), dtype.type(side))) for side in (-9, value, 9)}
        for value in (0.5, -4.0, 8.0)
    }
    assert rows.shape == (130, 3)
    assert set(added[:, 0].tolist()) == numbers[0.5]
    assert set(added[:, 2].tolist()) == numbers[-4.0] | numbers[8.0]
    assert np.array_equal(added[:, 1], rows[2:66, 1])


def test_whole_numbers_stand_beside_thresholds_and_within_their_type() -> None:
    added = example_rows(Input("x", "uint8", (3,), None), {0: [2.5], 1: [-7.0], 2: [7.0]})[66:]

    assert [set(column) for column in added.T.tolist()] == [{1, 2, 3}, {0}, {6, 7, 8}]


def test_a_threshold_that_the_type_does_not_have_becomes_infinite() -> None:
    added = example_rows(Input("x", "float16", (1,), None), {0: [1e6]})[66:]

    assert set(added.ravel().tolist()) == {65504.0, np.inf}


def test_the_rows_are_the_same_on_every_machine() -> None:
    rows = example_rows(ANY_ROWS, {1: [0.1, 0.2, 0.3]})

    assert hashlib.sha256(rows.tobytes()).hexdigest() == (
        "960f3f2293cb395367eb89de41cbba2976657e8188b3b53826309216f47a8ebe"
    )


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


def test_float64_numbers_that_an_operator_does_not_take_are_named_with_the_cure() -> None:
    cure = r"export it with float32 features \(skl2onnx: FloatTensorType\)$"
    mixed = model(
        [node("MatMul", "x w", "s")],
        inputs=[tensor("x", ["n", 2], TensorProto.DOUBLE)],
        outputs=[tensor("s", ["n", 2], TensorProto.DOUBLE)],
    )
    imputer = node("Imputer", "x", "s", domain="ai.onnx.ml", imputed_value_floats=[0.0, 1.0])
    filled = model(
        [imputer],
        inputs=[tensor("x", ["n", 2], TensorProto.DOUBLE)],
        outputs=[tensor("s", ["n", 2], TensorProto.DOUBLE)],
    )

    with pytest.raises(Refused, match=r"^its operator MatMul gets float32 and float64 numbers at once: " + cure):
        open_graph(mixed)
    with pytest.raises(Refused, match=r"^ONNX Runtime \S+ has no Imputer of float64 numbers: " + cure):
        open_graph(filled)


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


def test_a_graph_that_needs_a_locale_is_refused_with_one_that_is_everywhere() -> None:
    nodes = [
        node("StringNormalizer", "job", "low", case_change_action="LOWER", locale="xx_YY"),
        *job_nodes(source="low"),
        node("Identity", "js", "scores"),
    ]
    constants = {"jw": JOB_WEIGHTS, "flat": np.array([-1, 2])}
    inputs = [tensor("job", ["n"], TensorProto.STRING)]
    graph = model(nodes, inputs=inputs, outputs=[tensor("scores", ["n", 2])], constants=constants)

    with pytest.raises(
        Refused, match=r"^it needs the locale xx_YY, which is not installed here: export it with C\.UTF-8"
    ):
        open_graph(graph)


def test_lines_of_onnx_runtime_on_a_graph_that_it_cannot_load_are_kept_off(
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = node(
        "Tokenizer", "x", "words", domain="com.microsoft", pad_value="#", mark=0, mincharnum=1, tokenexp="(?u)a"
    )
    texts = [tensor(name, ["n", size], TensorProto.STRING) for name, size in (("x", 1), ("words", None))]
    graph = model([words], inputs=texts[:1], outputs=texts[1:], constants={})
    graph.opset_import.add(domain="com.microsoft", version=1)

    with pytest.raises(Refused, match="tokenexp"):
        open_graph(graph)
    assert capfd.readouterr().err == ""


def test_a_graph_is_loaded_while_the_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = os.dup(running.STDERR)
    os.close(closed)
    monkeypatch.setattr(running, "STDERR", closed)

    assert list(open_graph(logits_only()).outputs) == ["scores"]


def test_numbers_that_are_looked_up_need_an_input_of_integers() -> None:
    nodes = [node("Cast", "x", "i", to=TensorProto.INT64), node("Gather", "t i", "scores")]
    table = {"t": np.arange(6, dtype=np.float32)}
    engine = open_graph(model(nodes, outputs=[tensor("scores", ["n", 2])], constants=table))

    with pytest.raises(Refused, match=r"; numbers that are looked up, as by an Embedding, need an input of integers"):
        run(engine, example_rows(ANY_ROWS, {}), ANY_ROWS)


@pytest.mark.parametrize(
    ("source", "words"), [(ANY_ROWS, "ONNX Runtime cannot run it: "), (TWO_ROWS, "it takes exactly")]
)
def test_a_graph_that_does_not_run_is_refused(source: Input, words: str) -> None:
    constants = {"w": np.eye(2, 3, dtype=np.float32), "shape": np.array([7, 5])}
    nodes = [node("MatMul", "x w", "s"), node("Reshape", "s shape", "scores")]
    engine = open_graph(model(nodes, outputs=[tensor("scores", None)], constants=constants))

    with pytest.raises(Refused, match=f"^{words}"):
        run(engine, example_rows(source, {}), source)


def test_an_error_for_a_fixed_number_of_rows_names_it() -> None:
    assert fixed_rows(ANY_ROWS) is None
    assert str(fixed_rows(TWO_ROWS)).startswith("it takes exactly 2 rows: export it with any number of rows ")


def test_an_error_for_one_row_has_the_cure_for_each_input() -> None:
    one = Input("x", "float", (2,), 1)

    assert str(fixed_rows(one)).startswith("it takes exactly 1 row: ")
    assert str(fixed_rows(one)).endswith(" (PyTorch: dynamic_shapes=({0: 'n'},))")
    assert str(fixed_rows(Table((one, one)))).endswith(" (PyTorch: dynamic_shapes=({0: 'n'}, {0: 'n'}))")


@pytest.mark.parametrize("quantised", [False, True])
def test_rows_that_do_not_depend_on_each_other_need_no_note(quantised: bool) -> None:
    engine, rows = open_graph(logits_only()), example_rows(ANY_ROWS, {})

    assert check_rows(engine, rows, run(engine, rows, ANY_ROWS), ANY_ROWS, SCORES, quantised=quantised) == ()


def less_their_mean(*, ordered: bool = False) -> onnx.ModelProto:
    """Return a classifier whose scores depend on all rows, and on their order as well if wanted."""
    nodes = [node("MatMul", "x w", "s"), node("ReduceMean", "s", "m", axes=[0]), node("Sub", "s m", "t")]
    last = node("CumSum", "t axis", "scores") if ordered else node("Identity", "t", "scores")
    constants = {"w": WEIGHTS, "axis": np.array(0)}
    return model([*nodes, last], outputs=[tensor("scores", ["n", 3])], constants=constants)


@pytest.mark.parametrize(("ordered", "quantised"), [(False, False), (True, False), (True, True)])
def test_rows_that_depend_on_each_other_are_refused(ordered: bool, quantised: bool) -> None:
    engine, rows = open_graph(less_their_mean(ordered=ordered)), example_rows(ANY_ROWS, {})
    outputs = run(engine, rows, ANY_ROWS)

    with pytest.raises(Refused, match=r"^the answer for a row depends on the other rows"):
        check_rows(engine, rows, outputs, ANY_ROWS, SCORES, quantised=quantised)


def test_rows_that_depend_on_those_before_them_are_refused() -> None:
    """As those of a recurrent network that takes the rows for moments: no row after the first ones changes these."""
    nodes = [node("MatMul", "x w", "s"), node("CumSum", "s axis", "scores")]
    constants = {"w": WEIGHTS, "axis": np.array(0)}
    engine = open_graph(model(nodes, outputs=[tensor("scores", ["n", 3])], constants=constants))
    rows = example_rows(ANY_ROWS, {})

    with pytest.raises(Refused, match=r"^the answer for a row depends on the other rows"):
        check_rows(engine, rows, run(engine, rows, ANY_ROWS), ANY_ROWS, SCORES, quantised=False)


def test_rows_may_depend_on_each_other_by_dynamic_quantisation_and_its_cost_is_noted() -> None:
    engine, rows = open_graph(less_their_mean()), example_rows(ANY_ROWS, {})

    (note,) = check_rows(engine, rows, run(engine, rows, ANY_ROWS), ANY_ROWS, SCORES, quantised=True)

    assert note.startswith("rows: each request runs alone, ")
    assert note.endswith("; static quantisation has fixed scales and would not")


def test_the_rows_for_float16_are_float16_numbers() -> None:
    rows = example_rows(Input("x", "float16", (5,), None), {})

    assert rows.dtype == np.float32
    assert np.array_equal(rows, rows.astype(np.float16))
