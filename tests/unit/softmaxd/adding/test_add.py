"""An added model is published with names, a manifest and a card that say what it is."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from softmaxd.adding.add import add_model
from softmaxd.models.engine import Engine
from softmaxd.models.loading import read_manifest, try_out
from softmaxd.models.manifest import DTYPES, Datatype, Manifest
from tests.models.small import WEIGHTS, exact, logits_only, model, node, tensor

LABEL, TEXT_LABEL = (tensor("label", ["n"], kind) for kind in (TensorProto.INT64, TensorProto.STRING))
S = tensor("s", ["n", 3])


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def add(
    graph: onnx.ModelProto, models: Path, *, labels: list[str] | None = None, features: list[str] | None = None
) -> Manifest:
    file = models.parent / "iris.onnx"
    onnx.save(graph, file)
    return add_model(file, models, name="iris", labels=labels, features=features)[1]


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


def test_what_is_published_is_what_the_service_loads(models: Path) -> None:
    manifest = add(logits_only(), models)

    folder = models / "iris" / "1"
    try_out(folder)
    assert read_manifest(folder) == manifest
    outputs = Engine(folder / "model.onnx", device="cpu").run(np.eye(2, dtype=np.float32))
    assert np.allclose(outputs["logits"], WEIGHTS)


def test_each_time_is_a_new_version_and_none_is_overwritten(models: Path) -> None:
    first = add(logits_only(), models)
    before = {path.name: path.read_bytes() for path in (models / "iris" / "1").iterdir()}

    second = add(logits_only(), models)

    assert (first.version, second.version) == (1, 2)
    assert sorted(path.name for path in (models / "iris").iterdir()) == ["1", "2"]
    assert {path.name: path.read_bytes() for path in (models / "iris" / "1").iterdir()} == before
    assert second.sha256 == first.sha256


def test_labels_and_features_are_numbered_when_nobody_names_them(models: Path) -> None:
    manifest = add(logits_only(), models)

    assert manifest.labels == ("class-0", "class-1", "class-2")
    assert [feature.name for feature in manifest.features] == ["x0", "x1"]
    assert manifest.notes[-1] == "labels: numbered, as the model names none"


def test_labels_and_features_are_those_that_are_given(models: Path) -> None:
    manifest = add(logits_only(), models, labels=["ä", "b c", "3"], features=["length", "width"])

    assert manifest.labels == ("ä", "b c", "3")
    assert [feature.name for feature in manifest.features] == ["length", "width"]
    assert manifest.notes[-1] == "labels: as given"


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
def test_the_models_own_labels_are_found(models: Path, graph: onnx.ModelProto, labels: tuple[str, ...]) -> None:
    manifest = add(graph, models)

    assert manifest.labels == labels
    assert manifest.notes[-1] == "labels: the model's own"


def test_labels_that_are_false_and_true_are_0_and_1(models: Path) -> None:
    nodes = [
        node("MatMul", "x v", "s"),
        node("ArgMax", "s", "best", axis=1, keepdims=0),
        node("ArrayFeatureExtractor", "names best", "row", domain="ai.onnx.ml"),
        node("Reshape", "row shape", "flat"),
        node("Cast", "flat", "label", to=TensorProto.BOOL),
    ]
    constants = {"v": WEIGHTS[:, :2], "shape": np.array([-1]), "names": np.array([0, 1], np.int32)}
    outputs = [tensor("label", ["n"], TensorProto.BOOL), tensor("s", ["n", 2])]

    assert add(model(nodes, outputs=outputs, constants=constants), models).labels == ("0", "1")


def test_names_inside_that_are_not_the_labels_it_gives_are_not_taken(models: Path) -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    graph.graph.node[1].CopyFrom(node("ArgMin", "s", "best", axis=1, keepdims=0))

    assert add(graph, models).labels == ("class-0", "class-1", "class-2")


def test_where_two_scores_are_equal_any_of_the_two_labels_is_right(models: Path) -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    graph.graph.node[1].CopyFrom(node("ArgMax", "s", "best", axis=1, keepdims=0, select_last_index=1))

    assert add(graph, models).labels == ("a", "b", "c")


def test_of_two_lists_of_names_none_is_taken_when_it_gives_no_labels(models: Path) -> None:
    second = classifier(classlabels_strings=["d", "e", "f"])
    second.output[:] = ["unused", "also"]
    graph = model([classifier(classlabels_strings=["a", "b", "c"]), second], outputs=[S])

    assert add(graph, models).labels == ("class-0", "class-1", "class-2")


def test_of_two_lists_of_names_the_one_that_it_gives_is_taken(models: Path) -> None:
    graph = labelled(np.array(["a", "b", "c"], dtype=object), TEXT_LABEL)
    encoder = classifier(classlabels_ints=[0, 1, 2])
    encoder.output[:] = ["encoded", "unused"]
    graph.graph.node.append(encoder)

    assert add(graph, models).labels == ("a", "b", "c")


def test_the_models_own_labels_may_be_given_other_names(models: Path) -> None:
    graph = model([classifier(classlabels_ints=[0, 1, 2])], outputs=[LABEL, S])

    assert add(graph, models, labels=["a", "b", "c"]).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("producer", "words"), [(("skl2onnx", "1.20.0"), "by skl2onnx 1.20.0, "), (("", ""), "by an unknown exporter, ")]
)
def test_the_first_note_says_which_file_it_was_made_from(models: Path, producer: tuple[str, str], words: str) -> None:
    graph = logits_only()
    graph.producer_name, graph.producer_version = producer

    manifest = add(graph, models)

    content = (models.parent / "iris.onnx").read_bytes()
    assert manifest.notes[0] == f"made from iris.onnx, {words}SHA-256 {hashlib.sha256(content).hexdigest()}"


def test_the_card_says_what_the_manifest_says(models: Path) -> None:
    manifest = add(logits_only(), models, labels=["a", "b", "c"])

    card = (models / "iris" / "1" / "card.md").read_text()
    assert card.startswith("# iris, version 1\n")
    assert "| Input | `features`, float32 `[n, 2]`: x0, x1 |" in card
    assert "| Output | `logits` and `probabilities`, float32 `[n, 3]`: a, b, c |" in card
    assert card.endswith("".join(f"- {note}\n" for note in manifest.notes))
    assert manifest.sha256 in card


@pytest.mark.parametrize("datatype", DTYPES)
def test_an_input_of_a_type_that_is_served_stays_as_it_is(models: Path, datatype: Datatype) -> None:
    manifest = add(exact(datatype), models)

    folder = models / "iris" / "1"
    rows = np.array([[0, 1], [5, 100]], manifest.dtype)
    outputs, expected = (
        Engine(file, device="cpu").run(rows) for file in (folder / "model.onnx", exact(datatype).SerializeToString())
    )
    try_out(folder)
    assert read_manifest(folder).datatype == datatype
    assert outputs["logits"].tobytes() == expected["s"].tobytes()
    assert f"| Input | `features`, {manifest.dtype.name} `[n, 2]`: x0, x1 |" in (folder / "card.md").read_text()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BOOL])
def test_an_input_of_another_type_is_served_as_float32(models: Path, kind: int) -> None:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("MatMul", "f w", "s")]

    manifest = add(model(nodes, inputs=[tensor("x", ["n", 2], kind)], outputs=[S]), models)

    try_out(models / "iris" / "1")
    assert manifest.datatype == "FP32"


def test_no_published_file_names_the_folder_that_the_model_came_from(models: Path) -> None:
    add(logits_only(), models)

    assert not [path for path in (models / "iris" / "1").iterdir() if str(models.parent).encode() in path.read_bytes()]
