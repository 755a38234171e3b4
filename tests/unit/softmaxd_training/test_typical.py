"""Typicality is that of the features, or of an inner tensor."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from softmaxd.adding.calibrated import Source
from softmaxd.errors import Refused
from softmaxd.models.features import Feature
from softmaxd.models.loading import read_manifest
from softmaxd.models.manifest import MODEL_FILE, Manifest
from softmaxd.models.tables import to_table
from softmaxd_training.rows import Rows
from softmaxd_training.typical import check_width, note_of, numbers_of, typical_of, with_missing
from tests.support import tables
from tests.support.onnx_models import classifier, linear, pictures, publish

CLASSES = np.zeros(4, dtype=np.int64)
NUMBERS = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)


def of_model(
    folder: Path, tensor: str | None, features: np.ndarray[tuple[int, ...], np.dtype[np.generic]]
) -> tuple[Source, Rows]:
    manifest = read_manifest(folder)
    return typical_of((folder / MODEL_FILE).read_bytes(), manifest, tensor, Rows(features, CLASSES))


def test_numbers_are_their_own_source(tmp_path: Path) -> None:
    source, rows = of_model(publish(tmp_path, 1, linear().SerializeToString()), None, NUMBERS)

    assert source == Source("features", np.dtype(np.float32), 2)
    assert rows.features is NUMBERS


def test_the_numbers_of_other_rows_are_those_of_the_same_tensor(tmp_path: Path) -> None:
    folder = tables.publish_mixed(tmp_path)
    manifest = read_manifest(folder)
    rows = to_table(tables.ROWS, manifest, [])
    source, typical = of_model(folder, None, rows)

    found = numbers_of((folder / MODEL_FILE).read_bytes(), manifest, source.name, rows[::-1])

    assert found == pytest.approx(typical.features[::-1])
    assert found.dtype == np.float64


def test_an_image_is_its_own_source_unless_a_tensor_is_named(tmp_path: Path) -> None:
    content = pictures([2, 3]).SerializeToString()
    folder = publish(tmp_path, 1, content, features=[Feature(name="picture", shape=(2, 3))])
    features = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)

    plain, _ = of_model(folder, None, features)
    named, rows = of_model(folder, "features", features)

    assert plain == named == Source("features", np.dtype(np.float32), 3)
    assert np.array_equal(rows.features, features)


def test_the_first_tensor_of_all_inputs_is_the_source_of_a_table(tmp_path: Path) -> None:
    folder = tables.publish_mixed(tmp_path)
    rows = to_table(tables.ROWS, read_manifest(folder), [])

    source, found = of_model(folder, None, rows)
    other, numbers = of_model(folder, "filled", rows)

    assert (source, note_of(source, 6)) == (Source("all"), "typicality: of the tensor all, 6 numbers a row")
    assert found.features[:, 1].tolist() == [41, 40, 18.25, 77]  # a missing age is 40
    assert (other.name, numbers.features.shape) == ("filled", (4, 2))


def test_a_tensor_with_missing_numbers_is_passed_over_though_these_rows_have_none(tmp_path: Path) -> None:
    source, _ = of_model(tables.publish_filled(tmp_path, columns=2), None, NUMBERS)

    assert source.name == "filled"


def test_without_a_tensor_of_all_inputs_the_option_is_named(tmp_path: Path) -> None:
    nodes = [helper.make_node("Mul", [name, f"{name} weights"], [f"{name} part"]) for name in ("x", "y")]
    nodes.append(helper.make_node("Add", ["x part", "y part"], ["logits"]))
    model = classifier(nodes, {f"{name} weights": np.ones((1, 3), np.float32) for name in ("x", "y")})
    del model.graph.input[:]
    names = ("x", "y")
    model.graph.input.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 1]) for name in names)
    features = [Feature(name=name, input=name) for name in names]
    folder = publish(tmp_path, 1, model.SerializeToString(), features=features)
    rows = to_table([[1, 2]] * 4, read_manifest(folder), [])

    with pytest.raises(
        Refused, match=r"all its inputs flow into, which typicality needs: name one with --typicality-of"
    ):
        of_model(folder, None, rows)
    assert of_model(folder, "x part", rows)[1].features.tolist() == [[1, 1, 1]] * 4


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        ("job", "typicality needs a row of numbers for each row, and the tensor job has none: it is string [4, 1]"),
        ("mean", "the graph has no tensor mean"),
        ("numbers", "the tensor numbers is not finite for 1 row, and so has no typicality"),
    ],
)
def test_a_tensor_that_has_no_distances_is_refused(tensor: str, reason: str, tmp_path: Path) -> None:
    folder = tables.publish_mixed(tmp_path)

    with pytest.raises(Refused) as refused:
        of_model(folder, tensor, to_table(tables.ROWS, read_manifest(folder), []))

    assert str(refused.value).startswith(reason)


def test_a_tensor_of_too_many_numbers_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["features", "wide"], ["many"]),
        helper.make_node("MatMul", ["many", "narrow"], ["logits"]),
    ]
    arrays = {"wide": np.ones((2, 4097), np.float32), "narrow": np.ones((4097, 3), np.float32)}
    folder = publish(tmp_path, 1, classifier(nodes, arrays).SerializeToString())

    with pytest.raises(
        Refused, match=r"^a row of the tensor many has 4097 numbers, and typicality takes at most 4096$"
    ):
        of_model(folder, "many", NUMBERS)


def test_features_of_too_many_numbers_are_refused() -> None:
    def manifest_of(*features: Feature) -> Manifest:
        return Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b"), features=features)

    check_width(manifest_of(Feature(name="x", shape=(64, 64))))
    check_width(manifest_of(*(Feature(name=f"x{index}", nullable=True) for index in range(4097))))
    with pytest.raises(Refused, match=r"^a row of m has 8192 numbers, and typicality takes at most 4096: "):
        check_width(manifest_of(Feature(name="x", shape=(64, 128))))


def test_all_that_may_be_missing_is_made_missing(tmp_path: Path) -> None:
    manifest = read_manifest(tables.publish_mixed(tmp_path))
    rows = to_table(tables.ROWS, manifest, [])

    found = with_missing(rows, manifest)

    assert np.isnan(found["numbers"][:, 1]).all()
    assert found["job"].ravel().tolist() == [""] * 4
    assert found["city"].tolist() == rows["city"].tolist()
    assert rows["job"][0, 0] == "clerk"
