"""`softmaxd models calibrate` publishes the next version, or says in one line why it does not."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto
from sklearn.linear_model import LogisticRegression

from softmaxd.cli.main import main
from softmaxd.errors import pip_install
from softmaxd.models.loading import read_manifest
from softmaxd.models.pins import write_pin
from softmaxd.tables import parquet
from tests.support.onnx_graphs import WEIGHTS, node, tensor
from tests.support.onnx_graphs import model as graph
from tests.support.onnx_models import LABELS, linear, publish
from tests.support.pickles import Calling

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The folder with `linear`, and rows.csv beside it."""
    publish(tmp_path / "models", 1, linear().SerializeToString())
    rows = np.random.default_rng(0).normal(size=(90, 2))
    lines = [f"{x},{y},{LABELS[index % 3]}\n" for index, (x, y) in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("x1,x2,kind\n" + "".join(lines))
    return tmp_path / "models"


def calibrate(models: Path, *options: str, name: str = "linear", file: str = "rows.csv", target: str = "kind") -> int:
    command = ["models", "calibrate", name, str(models.parent / file), "--target", target, *options]
    return main([*command, "--models-dir", str(models)])


def test_it_prints_its_findings_and_the_published_version(models: Path, capsys: Capture) -> None:
    assert calibrate(models) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("calibrated from version 1 by softmaxd models calibrate linear rows.csv --target kind")
    assert lines[2] == "rows: 30 for typicality, 30 for calibration, 30 for testing"
    assert lines[-1] == f"published {models / 'linear' / '2'}"
    assert read_manifest(models / "linear" / "2").calibration is not None


def test_the_version_that_answers_is_calibrated(models: Path, capsys: Capture) -> None:
    publish(models, 2, linear((1.0, 0.0, 0.0)).SerializeToString())
    assert calibrate(models) == 0
    write_pin(models / "linear", 1)
    assert calibrate(models) == 0

    first, *_, last = capsys.readouterr().out.partition("published ")[2].splitlines()[1:]
    assert first.startswith("calibrated from version 1 ")
    assert last == "version 1 is pinned and goes on answering: softmaxd models pin linear 4"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"name": "roses"}, "softmaxd: {models} has no model roses\n"),
        ({"file": "none.csv"}, "softmaxd: No such file or directory: {folder}/none.csv\n"),
        ({"target": "colour"}, "softmaxd: rows.csv: it has no column colour; its columns are x1, x2, kind\n"),
    ],
)
def test_a_refusal_is_one_line_and_publishes_nothing(
    changed: dict[str, str], message: str, models: Path, capsys: Capture
) -> None:
    assert calibrate(models, **changed) == 1

    assert capsys.readouterr().err == message.format(models=models, folder=models.parent)
    assert [path.name for path in (models / "linear").iterdir()] == ["1"]


def test_without_the_extra_it_names_what_to_install(
    models: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    assert calibrate(models) == 1
    assert "softmaxd models calibrate needs packages that serving does not" in capsys.readouterr().err


def test_parquet_without_pyarrow_is_one_line(models: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    (models.parent / "rows.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(parquet, "find_spec", lambda _name: None)

    assert calibrate(models, file="rows.parquet") == 1
    assert capsys.readouterr().err == (
        f"softmaxd: rows.parquet: it is a Parquet file, which needs pyarrow: {pip_install('pyarrow')}, "
        "or save it as CSV\n"
    )


@pytest.fixture
def file(models: Path) -> Path:
    """The ONNX file of `linear` as others export it: without probabilities."""
    model = linear()
    del model.graph.node[-1:], model.graph.output[-1:]
    (models.parent / "linear.onnx").write_bytes(model.SerializeToString())
    return models.parent / "linear.onnx"


def test_a_model_is_added_and_calibrated_in_one_step(models: Path, file: Path, capsys: Capture) -> None:
    rows = str(models.parent / "rows.csv")
    command = ["models", "add", str(file), "--name", "new", "--features", "x1,x2", "--labels", "a,b,c"]

    assert main([*command, "--calibration", rows, "--target", "kind", "--models-dir", str(models)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("made from linear.onnx")
    assert "calibrated by softmaxd models add linear.onnx --name new --calibration rows.csv --target kind" in lines
    assert lines[-1] == f"published {models / 'new' / '1'}"
    manifest = read_manifest(models / "new" / "1")
    assert manifest.calibration is not None
    assert manifest.notes == tuple(lines[: len(manifest.notes)])


def test_a_librarys_file_is_opened_once(models: Path, capsys: Capture) -> None:
    rows = pd.read_csv(models.parent / "rows.csv")
    model = LogisticRegression().fit(rows[["x1", "x2"]], rows.kind)
    model.opened = Calling(os.mkdir, models.parent / "opened")  # which is an error the second time
    (models.parent / "m.pkl").write_bytes(pickle.dumps(model))
    command = ["models", "add", str(models.parent / "m.pkl"), "--name", "m", "--trust-pickle"]
    command += ["--calibration", str(models.parent / "rows.csv"), "--target", "kind"]

    assert main([*command, "--models-dir", str(models)]) == 0

    assert (models.parent / "opened").exists()
    assert "calibrated by softmaxd models add m.pkl --name m --calibration" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "largest"), [("--calibration", 2000), ("--training", 2000), ("--training", 10)])
def test_the_file_is_tried_with_rows_like_those_of_the_tables(
    option: str, largest: int, models: Path, capsys: Capture
) -> None:
    nodes = [node("MatMul", "x w", "s"), node("Sub", "limit s", "left"), node("Sign", "left", "sign")]
    nodes += [node("Mul", "s sign", "t"), node("ArgMax", "t", "label", axis=1, keepdims=0)]
    outputs = [tensor("s", ["n", 3]), tensor("label", ["n"], TensorProto.INT64)]
    constants = {"w": WEIGHTS, "limit": np.array(1000, np.float32)}  # beyond it the label is another one
    onnx.save(graph(nodes, outputs=outputs, constants=constants), models.parent / "far.onnx")
    far = models.parent / "far.csv"
    far.write_text((models.parent / "rows.csv").read_text() + f"{largest},1,a\n")
    tables = {"--calibration": str(models.parent / "rows.csv")} | {option: str(far)}
    command = ["models", "add", str(models.parent / "far.onnx"), "--name", "far", "--features", "x1,x2"]
    command += ["--labels", "a,b,c", "--target", "kind", *(word for pair in tables.items() for word in pair)]

    code = main([*command, "--models-dir", str(models)])

    assert (code, (models / "far").exists()) == ((1, False) if largest > 1000 else (0, True))
    assert ("the output label says" in capsys.readouterr().err) == (largest > 1000)


def test_the_typicality_may_be_of_a_tensor(models: Path, file: Path, capsys: Capture) -> None:
    assert calibrate(models, "--typicality-of", "logits") == 0
    assert "typicality: of the tensor logits, 3 numbers a row" in capsys.readouterr().out.splitlines()

    assert calibrate(models, "--typicality-of", "Logits") == 1
    assert capsys.readouterr().err == "softmaxd: the graph has no tensor Logits; the nearest name is logits\n"

    command = ["models", "add", str(file), "--name", "new", "--features", "x1,x2", "--labels", "a,b,c"]
    command += ["--calibration", str(models.parent / "rows.csv"), "--target", "kind", "--typicality-of", "logits"]
    assert main([*command, "--models-dir", str(models)]) == 0
    assert "typicality: of the tensor logits, 3 numbers a row" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "options",
    [
        ["--calibration", "rows.csv"],
        ["--target", "kind"],
        ["--training", "rows.csv"],
        ["--like", "rows.csv", "--target", "kind", "--typicality-of", "logits"],
    ],
)
def test_half_of_the_options_is_refused(options: list[str], models: Path, file: Path, capsys: Capture) -> None:
    assert main(["models", "add", str(file), "--name", "new", *options, "--models-dir", str(models)]) == 1

    expected = "softmaxd: --target COLUMN goes with --calibration FILE or --like FILE, "
    assert capsys.readouterr().err.startswith(expected)
    assert not (models / "new").exists()


def test_a_table_that_does_not_fit_leaves_no_version(models: Path, file: Path, capsys: Capture) -> None:
    rows = str(models.parent / "rows.csv")
    command = [
        "models",
        "add",
        str(file),
        "--name",
        "new",
        "--features",
        "x1,x2",
        "--calibration",
        rows,
        "--target",
        "kind",
    ]

    assert main([*command, "--models-dir", str(models)]) == 1  # its labels are class-0, class-1, class-2

    assert "'a' is not a label of the model" in capsys.readouterr().err
    assert not (models / "new").exists()
