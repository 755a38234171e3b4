"""The labels of a model are compared with those that a table expects."""

import csv
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from softmaxd.adding.comparison import Comparison, compare
from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.features import Datatype, Feature
from softmaxd.models.manifest import Manifest
from softmaxd.tables.labelled import ROWS_AT_ONCE
from tests.support import tables
from tests.support.onnx_models import embedding, linear, pictures

HEADER = "x1,x2,kind\n"


def model_manifest(
    *, labels: tuple[str, ...] = ("a", "b", "c"), features: tuple[str, ...] = ("x1", "x2"), datatype: Datatype = "FP32"
) -> Manifest:
    columns = tuple(Feature(name=name) for name in features)
    return Manifest(name="m", version=1, sha256="0" * 64, labels=labels, features=columns, datatype=datatype)


def compared(text: str | bytes, folder: Path, manifest: Manifest | None = None) -> Comparison:
    """Return the comparison with `linear`: (1, 0) is of the class a, (0, 1) of c, and (0, −1) of a."""
    file = folder / "rows.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return compare(linear().SerializeToString(), manifest or model_manifest(), file, "kind")


def test_it_counts_the_rows_with_the_expected_label_and_names_the_others(tmp_path: Path) -> None:
    found = compared(HEADER + "1,0,a\n0,1,c\n\n0,-1,b\n0, -1 ,a\n", tmp_path)

    assert found.summary == "like rows.csv: 3 of 4 rows have the expected label, accuracy 75.0%; columns by name"
    assert found.disagreements == ("line 5: b expected, a served (0.75)",)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("kind,note,x2,x1\na,?,0,1\nc,?,1,0\n", "by name"),
        ("first,kind,second\n1,a,0\n0,c,1\n", "in order"),
        ("\ufeffkind,first,second\na,1,0\nc,0,1\n", "in order"),
    ],
)
def test_columns_are_features_by_name_or_else_in_order(text: str, order: str, tmp_path: Path) -> None:
    found = compared(text, tmp_path)

    assert found.summary == f"like rows.csv: 2 of 2 rows have the expected label, accuracy 100.0%; columns {order}"
    assert found.disagreements == ()


def test_only_the_first_disagreements_are_named(tmp_path: Path) -> None:
    found = compared(HEADER + "1,0,b\n" * 12, tmp_path)

    assert found.disagreements[0] == found.disagreements[9].replace("line 11", "line 2")
    assert len(found.disagreements) == 11
    assert found.disagreements[10] == "and 2 more"


def test_many_rows_are_run_in_pieces(tmp_path: Path) -> None:
    found = compared(HEADER + "1,0,a\n" * ROWS_AT_ONCE + "1,0,b\n", tmp_path)

    assert found.summary.startswith(f"like rows.csv: {ROWS_AT_ONCE} of {ROWS_AT_ONCE + 1} rows ")
    assert found.disagreements[0].startswith(f"line {ROWS_AT_ONCE + 2}: b expected, a served ")


def test_a_row_without_a_finite_answer_is_a_disagreement(tmp_path: Path) -> None:
    manifest = model_manifest(features=("category",), datatype="INT64")
    (tmp_path / "rows.csv").write_text("category,kind\n0,a\n1.0,c\n")

    found = compare(embedding(3).SerializeToString(), manifest, tmp_path / "rows.csv", "kind")

    assert found.disagreements == ("line 2: a expected, no finite answer",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no header: the first line should name the columns"),
        (HEADER, "it has no rows"),
        ("x1,x2,label\n1,0,a\n", "it has no column kind; its columns are x1, x2, label"),
        (HEADER + "1,0\n", "line 2 has 2 values, but the header names 3"),
        (HEADER + "0,1,c\n0,1_0,a\n", "line 3, column x2: Input should be a valid number"),
        (HEADER + "1,0,d\n", "line 2, column kind: 'd' is not a label of the model: it has a, b, c"),
        (HEADER + '1,0,"a"b\n', "line 2 is not CSV: ',' expected after '\"'"),
        (HEADER.encode() + b"1,0,\xff\n", "line 2 is not UTF-8: save the table as UTF-8"),
    ],
)
def test_a_table_that_does_not_fit_the_model_is_refused(text: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        compared(text, tmp_path)

    assert str(refused.value) == f"{tmp_path / 'rows.csv'}: {message}"


def test_a_parquet_file_is_compared_as_the_same_csv(tmp_path: Path) -> None:
    columns = {"x1": [1, 0, 0], "x2": [0.0, 1.0, -1.0], "kind": ["a", "c", "b"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")

    found = compare(linear().SerializeToString(), model_manifest(), tmp_path / "rows.parquet", "kind")

    assert found.summary == "like rows.parquet: 2 of 3 rows have the expected label, accuracy 66.7%; columns by name"
    assert found.disagreements == ("row 3: b expected, a served (0.75)",)


def test_the_numbers_of_a_tensor_are_columns_in_order(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("kind,a,b\na,1,0\nc,0,1\n", encoding="utf-8")
    manifest = Manifest(
        name="m", version=1, sha256="0" * 64, labels=("a", "b", "c"), features=(Feature(name="a", shape=(2, 1)),)
    )
    content = pictures((2, 1)).SerializeToString()

    found = compare(content, manifest, file, "kind")

    expected = Engine(content, device="cpu").run(np.eye(2, dtype=np.float32).reshape(2, 2, 1))["probabilities"]
    right = sum("abc"[row.argmax()] == label for row, label in zip(expected, "ac", strict=True))
    assert found.summary.startswith(f"like rows.csv: {right} of 2 rows have the expected label")
    assert found.summary.endswith("columns in order")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_model_of_several_inputs_is_compared(suffix: str, tmp_path: Path) -> None:
    content = tables.mixed().SerializeToString()
    manifest = Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b", "c"), features=tables.FEATURES)
    probabilities = tables.answers(tables.publish_mixed(tmp_path))["probabilities"]
    rows = [{**row, "kind": "abc"[best]} for row, best in zip(tables.ROWS, probabilities.argmax(axis=1), strict=True)]
    file = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    else:
        with file.open("w", newline="") as text:
            writer = csv.DictWriter(text, rows[0])
            writer.writeheader()
            writer.writerows(rows)

    found = compare(content, manifest, file, "kind")

    assert found.summary == f"like {file.name}: 4 of 4 rows have the expected label, accuracy 100.0%; columns by name"
