"""Labels are those that are given, the graph's own, or numbers."""

import re
from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from softmaxd.adding.inspection import inspect
from softmaxd.adding.labels import choose_labels
from softmaxd.errors import Refused
from tests.support.onnx_graphs import WEIGHTS, logits_only, model, node, tensor
from tests.support.table_graphs import people

LABEL, TEXT_LABEL = (tensor("label", ["n"], kind) for kind in (TensorProto.INT64, TensorProto.STRING))
S = tensor("s", ["n", 3])
NUMBERED = "labels: numbered, because the model has none"


def labels_of(graph: onnx.ModelProto, given: Sequence[str] | None = None) -> tuple[tuple[str, ...], str]:
    """Return the chosen labels of a graph, and the only note on them."""
    labels, (note,) = choose_labels(given, graph, inspect(graph, None))
    return tuple(labels), note


def classifier(**attributes: object) -> onnx.NodeProto:
    """Return a linear classifier as scikit-learn's become; its attributes have the labels."""
    return node(
        "LinearClassifier",
        "x",
        "label s",
        domain="ai.onnx.ml",
        coefficients=WEIGHTS.T.ravel().tolist(),
        intercepts=[0.0] * 3,
        post_transform="SOFTMAX",
        **attributes,
    )


def labelled(labels: np.ndarray[tuple[int], np.dtype[np.generic]], output: onnx.ValueInfoProto) -> onnx.ModelProto:
    """Return a classifier whose labels are a constant, of which it takes the one with the highest score."""
    nodes = [
        node("MatMul", "x w", "s"),
        node("ArgMax", "s", "best", axis=1, keepdims=0),
        node("ArrayFeatureExtractor", "names best", "row", domain="ai.onnx.ml"),
        node("Reshape", "row shape", "label"),
    ]
    graph = model(nodes, outputs=[output, S], constants={"w": WEIGHTS, "shape": np.array([-1])})
    graph.graph.initializer.append(numpy_helper.from_array(labels, "names"))
    return graph


@pytest.mark.parametrize(
    ("graph", "labels"),
    [
        (model([classifier(classlabels_ints=[7, 3, 5])], outputs=[LABEL, S]), ("7", "3", "5")),
        (model([classifier(classlabels_strings=["a", "b", "ü"])], outputs=[TEXT_LABEL, S]), ("a", "b", "ü")),
        (model([classifier(classlabels_strings=["a", "b", "ü"])], outputs=[S]), ("a", "b", "ü")),
        (labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL), ("a", "b", "c")),
        (labelled(np.array([4, 2, 0]), LABEL), ("4", "2", "0")),
    ],
)
def test_the_models_own_labels_are_found(graph: onnx.ModelProto, labels: tuple[str, ...]) -> None:
    assert labels_of(graph) == (labels, "labels: the model's own")


def test_labels_that_are_false_and_true_are_0_and_1() -> None:
    nodes = [
        node("MatMul", "x v", "s"),
        node("ArgMax", "s", "best", axis=1, keepdims=0),
        node("ArrayFeatureExtractor", "names best", "row", domain="ai.onnx.ml"),
        node("Reshape", "row shape", "flat"),
        node("Cast", "flat", "label", to=TensorProto.BOOL),
    ]
    constants = {"v": WEIGHTS[:, :2], "shape": np.array([-1]), "names": np.array([0, 1], np.int32)}
    outputs = [tensor("label", ["n"], TensorProto.BOOL), tensor("s", ["n", 2])]

    assert labels_of(model(nodes, outputs=outputs, constants=constants))[0] == ("0", "1")


def test_a_label_that_is_not_the_most_probable_one_is_refused() -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    graph.graph.node[1].CopyFrom(node("ArgMin", "s", "best", axis=1, keepdims=0))

    with pytest.raises(Refused, match=r"^the output label says c for the row \[x0=1, x1=1\], but a would be served, "):
        labels_of(graph, ["x", "y", "z"])


@pytest.mark.parametrize(
    ("operator", "shift", "accepted"),
    [
        ("ArgMax", 0, ("class-0", "class-1", "class-2")),
        ("ArgMax", 7, ("7", "8", "9")),
        ("ArgMax", 1, ("1", "2", "3")),
        ("ArgMin", 0, None),
        ("ArgMin", 7, None),
    ],
)
def test_a_label_without_a_list_of_names_must_go_with_one_class(
    operator: str, shift: int, accepted: tuple[str, ...] | None
) -> None:
    nodes = [
        node("MatMul", "x w", "s"),
        node(operator, "s", "best", axis=1, keepdims=0),
        node("Add", "best shift", "label"),
    ]
    graph = model(nodes, outputs=[LABEL, S], constants={"w": WEIGHTS, "shift": np.array(shift)})

    if accepted:
        assert labels_of(graph) == (accepted, "labels: the model's own" if shift else NUMBERED)
    else:
        with pytest.raises(Refused, match="they differ in "):
            labels_of(graph)


def encoded(*names: str, classes: int = 3) -> onnx.ModelProto:
    """Return a network whose labels stand in no list; of more than three classes the last is never the best."""
    nodes = [
        node("MatMul", "x v", "s"),
        node("ArgMax", "s", "best", axis=1, keepdims=0),
        node(
            "LabelEncoder",
            "best",
            "label",
            domain="ai.onnx.ml",
            keys_int64s=list(range(len(names))),
            values_strings=list(names),
        ),
    ]
    weights = np.hstack([WEIGHTS, np.zeros((2, classes - 3), np.float32)])
    return model(nodes, outputs=[TEXT_LABEL, tensor("s", ["n", classes])], constants={"v": weights})


def test_labels_that_only_an_output_shows_are_the_models_own() -> None:
    assert labels_of(encoded("cat", "emu", "dog")) == (("cat", "emu", "dog"), "labels: the model's own")
    assert labels_of(encoded("cat", "emu", "dog"), ["a", "b", "c"])[0] == ("a", "b", "c")


def test_they_are_not_given_in_another_order() -> None:
    with pytest.raises(
        Refused, match=r"^--labels has the model's own labels in another order: they are cat, emu, dog$"
    ):
        labels_of(encoded("cat", "emu", "dog"), ["cat", "dog", "emu"])


def test_nor_are_those_that_are_known_if_others_are_not() -> None:
    graph = encoded("cat", "emu", "dog", "owl", classes=4)

    numbers = tuple(f"class-{index}" for index in range(4))
    note = "labels: numbered, because the file shows only 3 of its 4: cat, emu, dog"
    assert labels_of(graph) == (numbers, note)
    assert labels_of(graph, ["cat", "emu", "dog", "owl"])[1] == "labels: as given"
    with pytest.raises(Refused, match=r"in another order: they are cat, emu, dog, …$"):
        labels_of(graph, ["owl", "cat", "emu", "dog"])


def test_one_label_for_two_classes_is_refused() -> None:
    nodes = [
        node("MatMul", "x w", "s"),
        node("ArgMax", "s", "best", axis=1, keepdims=0),
        node("Div", "best two", "half"),
        node("Add", "half seven", "label"),
    ]
    graph = model(nodes, outputs=[LABEL, S], constants={"w": WEIGHTS, "two": np.array(2), "seven": np.array(7)})

    with pytest.raises(Refused, match=r"^the output label says 7 for the row .*, but class-\d would be served"):
        labels_of(graph)


def test_of_a_long_row_a_few_numbers_are_shown() -> None:
    nodes = [node("MatMul", "x w", "s"), node("ArgMin", "s", "label", axis=1, keepdims=0)]
    graph = model(
        nodes, inputs=[tensor("x", ["n", 7])], outputs=[LABEL, S], constants={"w": np.eye(7, 3, dtype=np.float32)}
    )

    with pytest.raises(Refused, match=r" for the row \[x0=0\.\d+, (x\d=-?0\.\d+, ){5}…\], but "):
        labels_of(graph)


def test_swapped_labels_of_two_classes_are_refused_though_each_goes_with_one_class() -> None:
    nodes = [node("MatMul", "x w", "s"), node("ArgMin", "s", "label", axis=1, keepdims=0)]
    outputs = [LABEL, tensor("s", ["n", 2])]

    with pytest.raises(Refused, match=r"^the output label says 1 for the row \[x0=1, x1=1\], but 0 would be served"):
        labels_of(model(nodes, outputs=outputs, constants={"w": WEIGHTS[:, :2]}))


def test_the_votes_of_a_support_vector_machine_may_differ_from_its_probabilities() -> None:
    """Platt's probabilities are fitted apart from the decision function: here with the opposite sign."""
    machine = node(
        "SVMClassifier",
        "x",
        "label p",
        domain="ai.onnx.ml",
        classlabels_ints=[3, 5],
        coefficients=[1.0, -1.0],
        kernel_params=[1.0, 0.0, 3.0],
        kernel_type="LINEAR",
        post_transform="NONE",
        prob_a=[1.0],
        prob_b=[0.0],
        rho=[0.0],
        support_vectors=[1.0, 0.0, -1.0, 0.0],
        vectors_per_class=[1, 1],
    )
    graph = model([machine], outputs=[LABEL, tensor("p", ["n", 2])])

    labels, (origin, votes) = choose_labels(None, graph, inspect(graph, None))

    assert (labels, origin) == (("3", "5"), "labels: the model's own")
    words = (
        r"labels: the most probable; the output label has others in \d+ of the 66 rows that were tried, by the votes"
    )
    assert re.match(words, votes)


def test_where_two_scores_are_equal_any_of_the_two_labels_is_right() -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    graph.graph.node[1].CopyFrom(node("ArgMax", "s", "best", axis=1, keepdims=0, select_last_index=1))

    assert labels_of(graph)[0] == ("a", "b", "c")


def test_of_two_lists_of_names_none_is_taken_when_it_gives_no_labels() -> None:
    second = classifier(classlabels_strings=["d", "e", "f"])
    second.output[:] = ["unused", "also"]
    graph = model([classifier(classlabels_strings=["a", "b", "c"]), second], outputs=[S])

    assert labels_of(graph)[0] == ("class-0", "class-1", "class-2")


def test_of_two_lists_of_names_the_one_that_it_gives_is_taken() -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    encoder = classifier(classlabels_ints=[0, 1, 2])
    encoder.output[:] = ["encoded", "unused"]
    graph.graph.node.append(encoder)

    assert labels_of(graph)[0] == ("a", "b", "c")


def test_the_models_own_labels_may_be_given_other_names() -> None:
    graph = model([classifier(classlabels_ints=[0, 1, 2])], outputs=[LABEL, S])

    assert labels_of(graph, ["a", "b", "c"]) == (("a", "b", "c"), "labels: as given")


def test_the_models_own_labels_in_another_order_are_refused() -> None:
    graph = model([classifier(classlabels_strings=["a", "b", "c"])], outputs=[TEXT_LABEL, S])

    with pytest.raises(Refused, match="another order: they are a, b, c"):
        labels_of(graph, ["c", "b", "a"])


@pytest.mark.parametrize("given", [["a", "b"], ["a", "b", "c", "d"]])
def test_another_number_of_labels_than_classes_is_refused(given: list[str]) -> None:
    with pytest.raises(Refused, match=f"^--labels needs 3 names, one per class, but has {len(given)}$"):
        labels_of(logits_only(), given)


def test_without_any_labels_they_are_numbered() -> None:
    labels, note = labels_of(logits_only())

    assert labels == ("class-0", "class-1", "class-2")
    assert note == NUMBERED


def test_a_label_that_disagrees_is_shown_with_the_row_of_a_table() -> None:
    graph = people(zeros=0)
    graph.graph.node.append(node("ArgMin", "scores", "label", axis=1, keepdims=0))
    graph.graph.output.append(tensor("label", ["n"], TensorProto.INT64))

    with pytest.raises(
        Refused, match=r"^the output label says \d for the row \[age=[-+.e\d]+, job=clerk\], but \d would be served"
    ):
        labels_of(graph)
