"""An added model is published with the names, the manifest and the card that describe it."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from softmaxd.adding.add import add_model
from softmaxd.errors import ModelError, Refused
from softmaxd.models import onnxfile
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, Datatype
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import Manifest
from softmaxd.models.trials import try_out
from softmaxd.settings import Settings
from tests.support.onnx_graphs import WEIGHTS, exact, logits_only, model, node, tensor
from tests.support.onnx_models import pictures

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


def test_the_service_loads_the_published_version(models: Path) -> None:
    manifest = add(logits_only(), models)

    folder = models / "iris" / "1"
    try_out(folder, Settings())
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
    assert manifest.notes[-1] == "labels: numbered, because the model has none"


def test_labels_and_features_are_those_that_are_given(models: Path) -> None:
    manifest = add(logits_only(), models, labels=["ä", "b c", "3"], features=["length", "width"])

    assert manifest.labels == ("ä", "b c", "3")
    assert [feature.name for feature in manifest.features] == ["length", "width"]
    assert manifest.notes[-1] == "labels: as given"


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
def test_a_number_of_features_that_does_not_fit_the_graph_is_told(models: Path, operator: str) -> None:
    graph = model([node(operator, "x w", "scores")], inputs=[tensor("x", ["n", "d"])], outputs=[tensor("scores", None)])

    assert len(add(graph, models, features=["a", "b"]).features) == 2
    reason = (
        r"iris\.onnx: a row of 3 features, as --features says, does not fit it: give as many as it was trained on "
        r"\(ONNX Runtime cannot load it: "
    )
    with pytest.raises(Refused, match=reason):
        add(graph, models, features=["a", "b", "c"])


@pytest.mark.parametrize(
    ("producer", "words"), [(("pytorch", "2.9.0"), "by pytorch 2.9.0, "), (("", ""), "by an unknown exporter, ")]
)
def test_the_first_note_says_which_file_it_was_made_from(models: Path, producer: tuple[str, str], words: str) -> None:
    graph = logits_only()
    graph.producer_name, graph.producer_version = producer

    manifest = add(graph, models)

    content = (models.parent / "iris.onnx").read_bytes()
    assert manifest.notes[0] == f"made from iris.onnx, {words}SHA-256 {hashlib.sha256(content).hexdigest()}"


def test_the_card_agrees_with_the_manifest(models: Path) -> None:
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
    try_out(folder, Settings())
    assert read_manifest(folder).datatype == datatype
    assert outputs["logits"].tobytes() == expected["s"].tobytes()
    assert f"| Input | `features`, {manifest.dtype.name} `[n, 2]`: x0, x1 |" in (folder / "card.md").read_text()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BOOL])
def test_an_input_of_another_type_is_served_as_float32(models: Path, kind: int) -> None:
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("MatMul", "f w", "s")]

    manifest = add(model(nodes, inputs=[tensor("x", ["n", 2], kind)], outputs=[S]), models)

    try_out(models / "iris" / "1", Settings())
    assert manifest.datatype == "FP32"


def test_no_published_file_names_the_folder_that_the_model_came_from(models: Path) -> None:
    add(logits_only(), models)

    assert not [path for path in (models / "iris" / "1").iterdir() if str(models.parent).encode() in path.read_bytes()]


def test_a_version_that_would_be_too_large_is_not_published(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is that of the file, so that the conversion, which adds to it, goes beyond it."""
    monkeypatch.setattr(onnxfile, "MAX_MODEL_BYTES", len(logits_only().SerializeToString()))

    with pytest.raises(ModelError, match=r"^model\.onnx has \d+ bytes, more than the \d+ that a model may have$"):
        add(logits_only(), models)

    assert not models.exists() or not list(models.iterdir())


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        (["a", "b", "a"], None, "--labels has the name 'a' twice"),
        (["a", "b", "c:d"], None, "a label should have 1 to 200 characters, without colons "),
        (None, ["x", "x"], "--features has the name 'x' twice"),
        (None, ["x", ""], "a feature's name should have 1 to 200 characters"),
    ],
)
def test_names_that_are_not_allowed_are_refused_and_nothing_is_written(
    models: Path, labels: list[str] | None, features: list[str] | None, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        add(logits_only(), models, labels=labels, features=features)

    assert str(refused.value).startswith(f"{models.parent / 'iris.onnx'}: {message}")
    assert not models.exists()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8, TensorProto.FLOAT16, TensorProto.BOOL])
@pytest.mark.parametrize("features", [None, ["picture"]])
def test_a_graph_of_tensors_is_added_with_its_shape(kind: int, features: list[str] | None, models: Path) -> None:
    graph = pictures((2, 3, 1), kind)
    onnx.save(graph, models.parent / "original.onnx")

    manifest = add(graph, models, features=features)

    folder = models / "iris" / "1"
    try_out(folder, Settings())
    assert [(each.name, each.shape) for each in manifest.features] == [((features or ["features"])[0], (2, 3, 1))]
    assert f"`features`, {manifest.dtype.name} `[n, 2, 3, 1]`: {manifest.features[0].name}" in (
        folder / "card.md"
    ).read_text(encoding="utf-8")
    rows = np.random.default_rng(0).integers(0, 2, size=(5, 2, 3, 1))
    original = Engine(models.parent / "original.onnx", device="cpu")
    expected = original.run(rows.astype(helper.tensor_dtype_to_np_dtype(kind)))
    served = Engine(folder / "model.onnx", device="cpu").run(rows.astype(manifest.dtype))
    for name in ("logits", "probabilities"):
        assert np.allclose(served[name], expected[name], rtol=0, atol=1e-6)
    if kind == TensorProto.BOOL:
        odd = np.where(np.arange(6).reshape(1, 2, 3, 1) == 4, 0.5, 1).astype(np.float32)
        assert np.isnan(Engine(folder / "model.onnx", device="cpu").run(odd)["probabilities"]).all()
