"""A table's rows become those of a model, or the line and the column are named that do not fit it."""

from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import Refused
from softmaxd.models.features import Datatype, Feature
from softmaxd.models.manifest import Manifest
from softmaxd_training.matching import Matched, read_rows


def read(folder: Path, content: str, *, datatype: Datatype = "FP32") -> Matched:
    (folder / "rows.csv").write_text(content)
    manifest = Manifest(
        name="plants",
        version=1,
        sha256="0" * 64,
        labels=("oak", "beech", "fir"),
        features=(Feature(name="x"), Feature(name="y")),
        datatype=datatype,
    )
    return read_rows(folder / "rows.csv", "kind", manifest)


def test_columns_are_found_by_name_and_others_are_ignored(tmp_path: Path) -> None:
    found = read(tmp_path, "y,remark,kind,x\n1,a,fir,2\n3,b,oak,4\n")

    assert found.rows.features.tolist() == [[2, 1], [4, 3]]
    assert found.rows.features.dtype == np.float32
    assert found.rows.classes.tolist() == [2, 0]
    assert not found.by_order


def test_as_many_columns_of_other_names_are_taken_in_order(tmp_path: Path) -> None:
    found = read(tmp_path, "kind,width,height\nfir,2,1\n")

    assert found.rows.features.tolist() == [[2, 1]]
    assert found.by_order


def test_the_values_have_the_type_of_the_features(tmp_path: Path) -> None:
    exact = read(tmp_path, "x,y,kind\n0.1,1e300,oak\n", datatype="FP64").rows.features
    whole = read(tmp_path, "x,y,kind\n255,0,oak\n", datatype="UINT8").rows.features

    assert (exact.tolist(), exact.dtype.name) == ([[0.1, 1e300]], "float64")
    assert (whole.tolist(), whole.dtype.name) == ([[255, 0]], "uint8")


def test_the_numbers_of_a_tensor_are_taken_in_order(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("b,a,kind,c,d\n1,2,oak,3,4\n")
    manifest = Manifest(
        name="pixels",
        version=1,
        sha256="0" * 64,
        labels=("oak", "fir"),
        features=(Feature(name="image", shape=(2, 2)),),
    )

    found = read_rows(tmp_path / "rows.csv", "kind", manifest)

    assert found.rows.features.tolist() == [[1, 2, 3, 4]]
    assert found.by_order


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,kind\n1,oak\n", "it has no column y; its columns are x"),
        ("x,y,kind\n", "it has no rows"),
        ("x,y,kind\n1,2,oka\n", "line 2, column kind: 'oka' is not a label of the model; did you mean oak?"),
        ("x,y,kind\n1,,oak\n", "line 2, column y: Input should be a valid number"),
        ("x,y,kind\n1,1e39,oak\n", "line 2, column y: Input should be a finite number, also as float32"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read(tmp_path, content)

    assert str(refused.value).startswith(f"rows.csv: {message}")
