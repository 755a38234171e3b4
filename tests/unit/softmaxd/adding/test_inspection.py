"""A graph is understood by running it, and converted to the one that is served."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from softmaxd.adding.examples import UNKNOWN
from softmaxd.adding.graphs import Input
from softmaxd.adding.heads import ADDED_SOFTMAX, ASSUMED
from softmaxd.adding.inspection import Findings, convert, inspect
from softmaxd.adding.running import open_graph
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, Datatype
from softmaxd.models.outputs import Array
from tests.support.onnx_graphs import WEIGHTS, exact, logits_only, model, node, tensor
from tests.support.table_graphs import CLASSICAL, JOBS, TEXTS, imputer, people

ROWS = np.array([[1, 2], [-3, 5], [0, 0]], dtype=np.float32)
LOGITS = ROWS @ WEIGHTS
DENSE, SOFTMAX = node("MatMul", "x w", "s"), node("Softmax", "s", "p")
S, P = tensor("s", ["n", 3]), tensor("p", ["n", 3])
LABEL = tensor("label", ["n"], TensorProto.INT64)
BEST = node("ArgMax", "s", "label", axis=1, keepdims=0)
ADDED = "logits: added as ln(probabilities); -87.3 where a probability is below 1.2e-38"


def softmax(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)


def answers(graph: onnx.ModelProto, features: list[str] | None = None) -> tuple[Findings, dict[str, Array]]:
    """Return the findings, and the outputs of the converted graph for `ROWS`."""
    findings = inspect(graph, features)
    return findings, Engine(convert(graph, findings), device="cpu").run(ROWS)


@pytest.mark.parametrize(
    ("graph", "notes"),
    [
        (
            model([DENSE], outputs=[S]),
            ["logits: the output s; its rows do not sum to 1", ASSUMED.format(name="s")],
        ),
        (
            model([DENSE, SOFTMAX], outputs=[P]),
            [
                "logits: the tensor s inside the graph; its softmax gives the probabilities",
                "probabilities: the output p; its rows lie in [0, 1] and sum to 1",
            ],
        ),
        (
            model([DENSE, SOFTMAX], outputs=[P, S]),
            [
                "logits: the output s; its softmax gives the probabilities",
                "probabilities: the output p; its rows lie in [0, 1] and sum to 1",
            ],
        ),
        (
            model([DENSE, node("LogSoftmax", "s", "p")], outputs=[P]),
            ["logits: the output p; its rows do not sum to 1", ADDED_SOFTMAX],
        ),
        (
            model(
                [DENSE, node("Softmax", "s", "q"), node("Identity", "q", "i"), node("Cast", "i", "p", to=1), BEST],
                outputs=[LABEL, P],
            ),
            [
                "logits: the tensor s inside the graph; its softmax gives the probabilities",
                "probabilities: the output p; its rows lie in [0, 1] and sum to 1",
                "left out: label",
            ],
        ),
        (
            model([DENSE, SOFTMAX, node("Tanh", "s", "hidden")], outputs=[tensor("hidden", ["n", 3]), P]),
            [
                "logits: the tensor s inside the graph; its softmax gives the probabilities",
                "probabilities: the output p; its rows lie in [0, 1] and sum to 1",
                "left out: hidden",
            ],
        ),
        (
            model([DENSE, node("Exp", "s", "e"), node("LpNormalization", "e", "p", axis=1, p=1)], outputs=[P]),
            [
                ADDED,
                "probabilities: the output p; its rows lie in [0, 1] and sum to 1",
            ],
        ),
    ],
)
def test_it_finds_logits_and_probabilities_or_adds_them(graph: onnx.ModelProto, notes: list[str]) -> None:
    findings, outputs = answers(graph)

    assert list(findings.notes) == ["features: the input x, float32 [n, 2]", *notes]
    assert np.allclose(outputs["probabilities"], softmax(LOGITS), atol=1e-6)
    assert np.allclose(softmax(outputs["logits"]), softmax(LOGITS), atol=1e-6)


def test_a_softmax_of_the_features_themselves_is_found() -> None:
    findings, outputs = answers(model([node("Softmax", "x", "p")], outputs=[tensor("p", ["n", 2])], constants={}))

    assert findings.notes[1].startswith("logits: added")
    assert np.allclose(outputs["probabilities"], softmax(ROWS), atol=1e-6)


def test_a_softmax_along_the_rows_is_noticed_though_probabilities_are_made_of_it() -> None:
    nodes = [DENSE, node("Softmax", "s", "q", axis=0), node("LpNormalization", "q", "p", axis=1, p=1)]

    with pytest.raises(Refused, match="the answer for a row depends on the other rows"):
        inspect(model(nodes, outputs=[P], constants={"w": WEIGHTS / 10}), None)


@pytest.mark.parametrize("kind", ["float16", "double"])
def test_outputs_of_other_float_types_become_float32(kind: str) -> None:
    number = TensorProto.DataType.Value(kind.upper())
    nodes = [DENSE, node("Cast", "s", "t", to=number)]

    findings, outputs = answers(model(nodes, outputs=[tensor("t", ["n", 3], number)]))

    assert findings.heads.logits == "t"
    assert np.allclose(outputs["logits"], LOGITS, atol=1e-2)
    assert outputs["probabilities"].dtype == np.float32


@pytest.mark.parametrize("shown", ["p", "s"])
def test_a_float16_network_answers_as_before_within_the_tolerance_of_float32(shown: str) -> None:
    generator = np.random.default_rng(0)
    w, v = (generator.normal(size=size).astype(np.float16) for size in ((2, 64), (64, 3)))
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("MatMul", "r v", "s"), SOFTMAX]
    half = TensorProto.FLOAT16
    outputs = [tensor(shown, ["n", 3], half)]

    inputs = [tensor("x", ["n", 2], half)]
    findings, found = answers(model(nodes, inputs=inputs, outputs=outputs, constants={"w": w, "v": v}))

    logits = np.maximum(ROWS @ w.astype(np.float32), 0) @ v.astype(np.float32)
    assert (findings.heads.logits, findings.heads.are_float32) == ("s", True)
    assert np.abs(found["logits"] - logits).max() < 2**-9 * np.abs(logits).max()  # float16 has 2⁻¹¹ a rounding
    assert np.allclose(found["probabilities"], softmax(found["logits"]), atol=1e-6)


@pytest.mark.parametrize("where", ["output", "value_info"])
def test_a_wrong_type_that_the_file_declares_for_a_tensor_does_not_matter(where: str) -> None:
    nodes = [node("MatMul", "x w", "l"), node("Softmax", "l", "p")]
    graph = model(nodes, outputs=[tensor("p", ["n", 3])])
    if where == "output":
        graph.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE
    else:
        graph.graph.value_info.append(tensor("l", ["n", 3], TensorProto.DOUBLE))
    with pytest.raises(Refused, match="Type Error"):
        open_graph(graph)

    assert inspect(graph, None).heads.probabilities == "p"


def test_an_output_of_bfloat16_is_given_as_float32() -> None:
    nodes = [DENSE, node("Cast", "s", "t", to=TensorProto.BFLOAT16)]

    _, outputs = answers(model(nodes, outputs=[tensor("t", ["n", 3], TensorProto.BFLOAT16)]))

    assert np.allclose(outputs["logits"], LOGITS, atol=2**-8 * np.abs(LOGITS).max())  # it has 8 bits


def test_dynamic_quantisation_is_noted() -> None:
    graph = model(
        [
            node("DynamicQuantizeLinear", "x", "q a b"),
            node("DequantizeLinear", "q a b", "d"),
            node("MatMul", "d w", "s"),
        ],
        outputs=[S],
    )

    findings = inspect(graph, None)

    assert [note for note in findings.notes if note.startswith("rows: each request runs alone, ")]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("float", "float32 [n, 2]"),
        ("double", "float64 [n, 2]"),
        ("float16", "float16 [n, 2]; served as float32, and may be rounded to float16"),
        ("int8", "int8 [n, 2]"),
        ("uint16", "uint16 [n, 2]"),
        ("int32", "int32 [n, 2]"),
        ("int64", "int64 [n, 2]"),
        ("bool", "bool [n, 2]; served as float32, and rows with numbers other than 0 and 1 are refused"),
    ],
)
def test_every_type_of_numbers_is_taken(kind: str, words: str) -> None:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("MatMul", "f w", "s")]
    graph = model(nodes, inputs=[tensor("x", ["n", 2], TensorProto.DataType.Value(kind.upper()))], outputs=[S])
    findings = inspect(graph, None)
    rows = np.array([[0, 1], [1, 1]], findings.rows.dtype)

    outputs = Engine(convert(graph, findings), device="cpu").run(rows)

    assert findings.notes[0] == f"features: the input x, {words}"
    assert np.allclose(outputs["logits"], rows @ WEIGHTS, atol=1e-6)


@pytest.mark.parametrize("datatype", DTYPES)
def test_a_graph_is_tried_and_answers_in_its_own_type(datatype: Datatype) -> None:
    original = Engine(exact(datatype).SerializeToString(), device="cpu")
    graph = exact(datatype)
    findings = inspect(graph, None)

    converted = Engine(convert(graph, findings), device="cpu").run(findings.rows)

    expected = original.run(findings.rows)
    assert findings.source.datatype == datatype
    assert findings.rows.dtype == DTYPES[datatype]
    assert converted["logits"].tobytes() == expected["s"].tobytes()
    assert converted["probabilities"].tobytes() == expected["p"].tobytes()


def test_logits_that_are_never_finite_are_replaced() -> None:
    nodes = [DENSE, node("Add", "s mask", "m"), node("Softmax", "m", "p")]
    mask = np.array([-np.inf, 0, 0], np.float32)

    findings, outputs = answers(model(nodes, outputs=[P], constants={"w": WEIGHTS, "mask": mask}))

    assert findings.heads.logits is None
    assert np.allclose(outputs["probabilities"][:, 1:], softmax(LOGITS[:, 1:]), atol=1e-6)
    assert np.isfinite(outputs["logits"]).all()


def test_probabilities_that_are_always_equal_are_not_their_own_logits() -> None:
    nodes = [DENSE, node("Exp", "s", "e"), node("LpNormalization", "e", "p", axis=1, p=1)]

    findings, outputs = answers(model(nodes, outputs=[P], constants={"w": 0 * WEIGHTS}))

    assert findings.heads.logits is None
    assert np.allclose(outputs["probabilities"], 1 / 3)


@pytest.mark.parametrize("where", ["value_info", "output"])
def test_the_number_of_rows_that_a_graph_was_exported_for_is_no_constant_in_it(where: str) -> None:
    nodes = [node("MatMul", "x w", "h"), node("Shape", "h", "t"), node("Neg", "h", "m"), node("Reshape", "m t", "s")]
    graph = model(nodes, inputs=[tensor("x", [1, 2])], outputs=[tensor("s", [1, 3])])
    getattr(graph.graph, where).append(tensor("h", [1, 3]))
    if where == "output":
        graph.graph.node.append(node("Softmax", "s", "p"))
        graph.graph.output[0].CopyFrom(tensor("p", [1, 3]))

    _, outputs = answers(graph)

    assert np.allclose(outputs["logits"], -LOGITS, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5])
def test_a_fixed_number_of_rows_becomes_any_number(rows: int) -> None:
    graph = model([DENSE], inputs=[tensor("x", [rows, 2])], outputs=[tensor("s", [rows, 3])])
    graph.graph.value_info.append(tensor("s", [rows, 3]))

    findings, outputs = answers(graph)

    assert findings.notes[0].endswith(f"; exported for {rows} at a time, but takes any number of rows")
    assert np.allclose(outputs["logits"], LOGITS, atol=1e-6)


def test_an_unknown_number_of_features_is_that_of_their_names() -> None:
    graph = model([DENSE], inputs=[tensor("x", ["n", None])], outputs=[S])

    findings, outputs = answers(graph, ["length", "width"])

    assert findings.source == Input("x", "float", (2,), None)
    assert np.allclose(outputs["logits"], LOGITS, atol=1e-6)


def test_rows_without_a_finite_answer_do_not_hide_the_others() -> None:
    nodes = [node("Log", "x", "l"), node("MatMul", "l w", "s"), node("Softmax", "s", "p")]

    findings = inspect(model(nodes, outputs=[P]), None)

    assert not np.isfinite(findings.scores).all()
    assert (findings.heads.logits, findings.heads.probabilities) == ("s", "p")


def test_a_changed_graph_that_answered_differently_would_be_refused() -> None:
    graph = logits_only()
    findings = inspect(graph, None)
    (weights,) = graph.graph.initializer
    weights.CopyFrom(numpy_helper.from_array(WEIGHTS + np.float32(0.01), "w"))

    with pytest.raises(Refused, match="the rewired graph gives other logits"):
        convert(graph, findings)


def test_converting_gives_the_same_bytes_each_time() -> None:
    first, second = (convert(graph, inspect(graph, None)) for graph in (logits_only(), logits_only()))

    assert first == second
    assert not re.search(rb"\bscores\b", first)


@pytest.mark.parametrize(
    ("inputs", "features", "message"),
    [
        ([tensor("a", ["n", 1, 8, 8]), tensor("x", ["n", 1])], None, r"input a has the shape \[n, 1, 8, 8\]: beside"),
        ([tensor("x", ["n"])], None, r"input x has the shape \[n\]: it must be rows"),
        ([tensor("x", ["n", 2, 0])], None, r"input x has the shape \[n, 2, 0\]: it must be rows"),
        ([tensor("x", ["n", *[1] * 7])], None, r"input x has the shape \[n, 1, 1, 1, 1, 1, 1, 1\]: it must be rows"),
        ([tensor("x", ["n", 2, "h"])], None, r"input x has the shape \[n, 2, h\]: export it with a fixed shape"),
        ([tensor("x", ["n", 2, 1])], ["a", "b"], "--features needs one name, that of the tensor, but has 2$"),
        ([tensor("x", ["n", None])], None, "it does not say how many features a row has"),
        ([tensor("x", ["n", 2])], ["a"], "--features needs 2 names, one per feature, but has 1$"),
    ],
)
def test_an_input_that_is_no_table_of_features_is_refused(
    inputs: list[onnx.ValueInfoProto], features: list[str] | None, message: str
) -> None:
    nodes = [node("Shape", inputs[-1].name, "shape"), node("Cast", "shape", "s", to=TensorProto.FLOAT)]

    with pytest.raises(Refused, match=f"^{message}"):
        inspect(model(nodes, inputs=inputs, outputs=[tensor("s", None)], constants={}), features)


def test_a_graph_without_a_table_of_numbers_is_refused() -> None:
    with pytest.raises(Refused, match=r"^no output is a table of numbers \[n, classes\]; the outputs are label "):
        inspect(model([DENSE, BEST], outputs=[LABEL]), None)


def rounded(*, kind: int = TensorProto.FLOAT, opset: int = 17) -> onnx.ModelProto:
    """Return a classifier whose probabilities are negative by rounding where x is, as those of forests are."""
    nodes = [
        node("Softmax", "x", "q"),
        node("Less", "x zero", "negative"),
        node("Cast", "negative", "ones", to=kind),
        node("Cast", "q", "p", to=kind),
        node("Mul", "ones error", "errors"),
        node("Sub", "p errors", "y"),
    ]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    constants = {"zero": np.array(0, np.float32), "error": np.array(3e-7, dtype)}
    return model(nodes, outputs=[tensor("y", ["n", 2], kind)], constants=constants, opset=opset)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("opset", [9, 17])
def test_probabilities_that_are_rounded_are_clipped_and_normalised_in_the_graph(kind: int, opset: int) -> None:
    graph = rounded(kind=kind, opset=opset)
    rows = np.array([[-100, 100], [100, -100], [1, -1], [0, np.nan]], np.float32)
    before = Engine(graph.SerializeToString(), device="cpu").run(rows)["y"]
    findings = inspect(graph, None)

    outputs = Engine(convert(graph, findings), device="cpu").run(rows)

    probabilities = outputs["probabilities"]
    assert before[:3].min() < 0
    assert findings.heads.is_rounded
    assert probabilities[:3].min() == 0.0
    assert np.abs(probabilities[:3].sum(axis=1, dtype=np.float64) - 1).max() <= 2.0**-24
    assert np.abs(probabilities[:3] - before[:3]).max() <= 1e-6
    assert np.isnan(probabilities[3]).any()
    assert np.isfinite(outputs["logits"][:3]).all()


def test_logits_that_the_owner_names_are_taken_and_noted() -> None:
    graph = model([DENSE, node("Neg", "s", "t")], outputs=[S, tensor("t", ["n", 3])])

    findings = inspect(graph, None, logits="t")

    assert findings.heads.logits == "t"
    assert "logits: the output t; as --logits says" in findings.notes


def test_rows_like_those_of_the_user_decide_too() -> None:
    nodes = [DENSE, SOFTMAX, node("Sub", "x limit", "over"), node("Relu", "over", "extra")]
    nodes += [node("ReduceMax", "extra", "most", axes=[1]), node("Add", "p most", "y")]
    constants = {"w": WEIGHTS, "limit": np.array(1000, np.float32)}

    def graph() -> onnx.ModelProto:
        return model(nodes, outputs=[tensor("y", ["n", 3])], constants=constants)

    known = np.array([[10, 20], [2000, 5]], np.float32)

    assert inspect(graph(), None).heads.probabilities == "y"
    assert inspect(graph(), None, given=known[:1]).heads.probabilities == "y"
    assert inspect(graph(), None, given=known).heads.probabilities is None


def test_several_inputs_are_a_table_with_a_note_on_each() -> None:
    findings = inspect(people(imputer("age", "known_age"), age="known_age"), None)

    assert findings.notes[:2] == (
        "features: the inputs age float32, job text (2 categories: clerk, nurse)",
        "missing: null is taken for age; not for job",
    )
    assert [feature.input for feature in findings.features] == ["age", "job"]
    assert findings.rows["job"].ravel().tolist()[:2] == ["", UNKNOWN]


def test_only_known_texts_are_tried_where_others_are_errors() -> None:
    findings = inspect(people(zeros=0), None)

    assert set(findings.rows["job"].ravel().tolist()) == set(JOBS)
    assert [(each.name, each.only_categories) for each in findings.features] == [("age", False), ("job", True)]
    assert not any(each.only_categories for each in inspect(people(), None).features)


def strict(name: str, kind: int) -> onnx.ModelProto:
    """Return a classifier of the category 3, 5 or 9 of one number, and of another number."""
    nodes = [
        node("Gather", f"{name} first", "column", axis=1),
        node("Cast", "column", "class", to=TensorProto.INT64),
        node("OneHotEncoder", "class", "hot", cats_int64s=[3, 5, 9], zeros=0, domain="ai.onnx.ml"),
        node("Reshape", "hot row", "flat"),
        node("Gather", f"{name} second", "other", axis=1),
        node("Cast", "other", "number", to=TensorProto.FLOAT),
        node("MatMul", "flat weights", "part"),
        node("Add", "part number", "sum"),
        node("Mul", "sum flat", "s"),
    ]
    weights = np.array([[4, 1, 2], [-3, 1, 2], [0, 5, -5]], np.float32)
    constants = {"first": np.array([0]), "second": np.array([1]), "row": np.array([-1, 3]), "weights": weights}
    return model(nodes, inputs=[tensor(name, ["n", 2], kind)], outputs=[S], constants=constants)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT64])
def test_only_known_numbers_are_tried_where_others_are_errors(kind: int) -> None:
    findings = inspect(strict("x", kind), None)

    assert set(findings.rows[:, 0].tolist()) == {3, 5, 9}
    assert [(feature.min, feature.max) for feature in findings.features] == [(3, 9), (None, None)]
    assert "categories: a row with one that the graph does not know is refused" in findings.notes


def test_a_table_that_cannot_be_run_is_refused() -> None:
    wrong = model(
        [node("Concat", "age job", "x", axis=1), node("Reshape", "x shape", "y"), node("MatMul", "y w", "s")],
        inputs=[tensor("age", ["n", 1]), tensor("job", ["n", 1])],
        outputs=[S],
        constants={"w": WEIGHTS, "shape": np.array([7, 2])},
    )

    with pytest.raises(Refused, match=r"^ONNX Runtime cannot run it: "):
        inspect(wrong, None)


def test_numbers_of_several_inputs_are_tried_at_the_thresholds_of_trees() -> None:
    inputs = [tensor("a", ["n"], TensorProto.DOUBLE), tensor("b", ["n", 1])]
    nodes = [
        node("Cast", "a", "float_a", to=TensorProto.FLOAT),
        node("Reshape", "float_a column", "column_a"),
        node("Concat", "column_a b", "x", axis=1),
        node(
            "TreeEnsembleClassifier",
            "x",
            "label p",
            nodes_treeids=[0, 0, 0],
            nodes_nodeids=[0, 1, 2],
            nodes_featureids=[1, 0, 0],
            nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
            nodes_values=[1000.0, 0.0, 0.0],
            nodes_truenodeids=[1, 0, 0],
            nodes_falsenodeids=[2, 0, 0],
            class_treeids=[0, 0],
            class_nodeids=[1, 2],
            class_ids=[0, 2],
            class_weights=[1.0, 1.0],
            classlabels_strings=["low", "middle", "high"],
            domain="ai.onnx.ml",
        ),
    ]
    graph = model(nodes, inputs=inputs, outputs=[tensor("p", ["n", 3])], constants={"column": np.array([-1, 1])})

    findings = inspect(graph, None)
    engine = Engine(convert(graph, findings), device="cpu")

    assert 1000.0 in findings.rows["b"]
    assert engine.inputs == {"a": ("tensor(double)", ["n", 1]), "b": ("tensor(float)", ["n", 1])}
    served = engine.run_inputs(findings.source.served(findings.rows))["probabilities"]
    assert (served[:, 2] == (findings.rows["b"][:, 0] > 1000.0)).all()


@pytest.mark.parametrize("name", ["logits", "probabilities", "atypicality", "softmaxd_smallest"])
def test_an_input_with_a_name_of_ours_gets_another(name: str) -> None:
    inputs = [tensor("features", ["n", 1]), tensor(name, ["n", 1])]
    nodes = [node("Concat", f"features {name}", "x", axis=1), *[DENSE, SOFTMAX]]
    graph = model(nodes, inputs=inputs, outputs=[P])

    findings = inspect(graph, None)
    engine = Engine(convert(graph, findings), device="cpu")

    other = findings.features[1].input
    assert other == f"{name.removeprefix('softmaxd_')}_"
    assert list(engine.inputs) == ["features", other]
    outputs = engine.run_inputs({"features": ROWS[:, :1], other: ROWS[:, 1:]})
    assert np.allclose(outputs["probabilities"], softmax(LOGITS), atol=1e-6)


def test_an_input_that_is_not_used_is_kept() -> None:
    inputs = [tensor("x", ["n", 2]), tensor("dropped", ["n", 1], TensorProto.STRING)]
    graph = model([DENSE], inputs=inputs, outputs=[S])

    findings = inspect(graph, None)

    engine = Engine(convert(graph, findings), device="cpu")
    assert list(engine.inputs) == ["x", "dropped"]
    assert [feature.name for feature in findings.features] == ["x.0", "x.1", "dropped"]


def test_float16_columns_are_served_as_float32() -> None:
    inputs = [tensor("a", ["n", 1], TensorProto.FLOAT16), tensor("flag", ["n"], TensorProto.BOOL)]
    nodes = [
        node("Cast", "a", "wide", to=TensorProto.FLOAT),
        node("Cast", "flag", "number", to=TensorProto.FLOAT),
        node("Reshape", "number column", "column_of_flags"),
        node("Concat", "wide column_of_flags", "x", axis=1),
        DENSE,
    ]
    graph = model(nodes, inputs=inputs, outputs=[S], constants={"w": WEIGHTS, "column": np.array([-1, 1])})

    findings = inspect(graph, None)
    engine = Engine(convert(graph, findings), device="cpu")

    assert engine.inputs == {"a": ("tensor(float)", ["n", 1]), "flag": ("tensor(bool)", ["n", 1])}
    rows = {"a": np.array([[0.5], [-2]], np.float32), "flag": np.array([[True], [False]])}
    expected = np.array([[0.5, 1], [-2, 0]], np.float32) @ WEIGHTS
    assert np.allclose(engine.run_inputs(rows)["logits"], expected)


@pytest.mark.parametrize(
    ("inputs", "zeros", "closed"),
    [
        ({"a": 1, "b": 1}, (0, 1), [True, False]),
        ({"a": 1, "b": 1}, (0, 0), [True, True]),
        ({"a": 2}, (0,), [True, True]),  # one encoder for both columns, which is tried
    ],
)
def test_encoders_without_unknown_categories_take_only_those_that_they_know(
    inputs: dict[str, int], zeros: tuple[int, ...], closed: list[bool]
) -> None:
    nodes = [
        each
        for (name, width), zero in zip(inputs.items(), zeros, strict=True)
        for each in (
            node("OneHotEncoder", name, f"{name}_hot", cats_strings=["x", "y"], zeros=zero, **CLASSICAL),
            node("Reshape", f"{name}_hot shape{width}", f"{name}_row"),
        )
    ]
    nodes.append(node("Concat", " ".join(f"{name}_row" for name in inputs), "row", axis=1))
    graph = model(
        [*nodes, node("MatMul", "row w", "scores")],
        inputs=[tensor(name, ["n", width], TEXTS) for name, width in inputs.items()],
        outputs=[tensor("scores", ["n", 2])],
        constants={
            "w": np.array([[1, -1], [0, 2], [3, 0], [0.5, 1]], np.float32),
            "shape1": np.array([-1, 2]),
            "shape2": np.array([-1, 4]),
        },
    )

    assert [feature.only_categories for feature in inspect(graph, None).features] == closed
