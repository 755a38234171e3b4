import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from softmaxd.cli.main import main
from softmaxd.errors import pip_install
from softmaxd.models.pins import write_pin
from softmaxd.models.routes import Route, write_route
from tests.support.onnx_graphs import logits_only
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS
from tests.support.table_graphs import NUMBERS, TEXTS, people


def test_an_empty_folder_has_a_header_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--models-dir", str(tmp_path)]) == 0
    assert main(["models", "check", "--models-dir", str(tmp_path)]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "model  version  features  labels  accuracy  bytes",
        "model  version  state",
    ]


def test_a_broken_version_is_listed_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"broken")

    assert main(["models", "list", "--models-dir", str(tmp_path)]) == 0
    _, good, broken = capsys.readouterr().out.splitlines()
    assert good.split()[:2] == ["linear", "1"]
    assert broken.endswith("rejected: model.onnx is not an ONNX file, or not all of it")


def test_checking_is_1_when_a_version_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    publish(tmp_path, 2, b"broken")

    assert main(["models", "check", "--models-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        "linear  1        ready",
        "linear  2        rejected: model.onnx is not an ONNX file, or not all of it",
    ]


def test_without_the_extra_add_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)

    assert main(["models", "add", "any.onnx", "--name", "any"]) == 1
    assert pip_install("'softmaxd[add]'") in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_table_is_printed_in_any_encoding(encoding: str) -> None:
    command = [sys.executable, "-m", "softmaxd", "models", "list", "--models-dir", str(MODELS)]

    ended = subprocess.run(
        command, env={**os.environ, "PYTHONIOENCODING": encoding}, capture_output=True, encoding=encoding, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "sepal_width, …".encode(encoding, "backslashreplace") in ended.stdout.encode(encoding)


@pytest.mark.parametrize("action", ["list", "check"])
def test_the_name_of_a_folder_steers_no_terminal(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, 1, linear().SerializeToString()).parent.rename(tmp_path / "a\x1b[2J\n\udcff")

    assert main(["models", action, "--models-dir", str(tmp_path)]) == 1

    output, error = capsys.readouterr()
    assert len(output.splitlines()) == 1
    reason = "no model has a name with such characters"
    assert error == rf"softmaxd: The folder of a\x1b[2J\n\udcff cannot be read: {reason}" + "\n"


def test_a_pinned_version_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in (1, 2):
        publish(tmp_path, version, linear().SerializeToString())
    write_pin(tmp_path / "linear", 1)

    assert main(["models", "list", "--models-dir", str(tmp_path)]) == 0
    assert main(["models", "check", "--models-dir", str(tmp_path)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line[:18] for line in lines[:3]] == ["model   version   ", "linear  1 pinned  ", "linear  2         "]
    assert lines[3:] == ["model   version   state", "linear  1 pinned  ready", "linear  2         ready"]


def test_the_parts_of_a_route_are_marked_and_a_version_that_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for version in (1, 2, 3):
        publish(tmp_path, version, linear().SerializeToString())
    write_pin(tmp_path / "linear", 1)
    write_route(tmp_path / "linear", Route(((2, 1000), (9, 1000)), 3))

    assert main(["models", "check", "--models-dir", str(tmp_path)]) == 1

    out, err = capsys.readouterr()
    assert [line[8:20].rstrip() for line in out.splitlines()] == [
        "version   st",
        "1 pinned  re",
        "2 10%     re",
        "3 shadow  re",
    ]
    assert err == "softmaxd: linear version 9 has a part in a route, but is not there\n"


@pytest.mark.parametrize("action", ["list", "check"])
def test_a_pinned_version_that_is_missing_is_named(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    write_pin(tmp_path / "linear", 2)

    assert main(["models", action, "--models-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "softmaxd: linear version 2 is pinned, but not there\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An ONNX file; (1, 0) is of its class 0."""
    onnx.save(logits_only(), tmp_path / "classifier.onnx")
    return tmp_path / "classifier.onnx"


def test_add_prints_accuracy_and_disagreements_before_it_publishes(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, models = file.parent / "rows.csv", file.parent / "models"
    table.write_text("x0,x1,kind\n1,0,class-0\n1,0,class-2\n")
    options = ["--models-dir", str(models), "--like", str(table), "--target", "kind", "--logits", "scores"]

    assert main(["models", "add", str(file), "--name", "m", *options]) == 0

    summary = "like rows.csv: 1 of 2 rows have the expected label, accuracy 50.0%; columns by name"
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [summary, "  line 3: class-2 expected, class-0 served (0.57)"]
    assert lines[2].startswith("made from classifier.onnx, ")
    assert "logits: the output scores; as --logits says" in lines
    assert lines.count(summary) == 1
    assert lines[-1] == f"published {models / 'm' / '1'}"
    assert summary in (models / "m" / "1" / "card.md").read_text()


def test_add_takes_the_features_that_may_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(people(), tmp_path / "people.onnx")
    options = ["--models-dir", str(tmp_path / "models"), "--features", "years,job", "--nullable", "job"]

    assert main(["models", "add", str(tmp_path / "people.onnx"), "--name", "people", *options]) == 0

    assert "missing: null is taken for job; not for years\n" in capsys.readouterr().out
    card = (tmp_path / "models" / "people" / "1" / "card.md").read_text()
    assert "| Input | `age`, float32 `[n, 1]`: years; `job`, text `[n, 1]`: job |" in card
    assert main(["models", "check", *options[:2]]) == 0
    assert main(["models", "list", *options[:2]]) == 0
    assert "people  1        2: years, job  2: class-0, class-1" in capsys.readouterr().out


@pytest.mark.parametrize("label", ["other", "class-0\n1,2,3,4"])
def test_nothing_is_published_when_the_table_does_not_fit(
    label: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, models = file.parent / "rows.csv", file.parent / "models"
    table.write_text(f"x0,x1,kind\n1,0,{label}\n")
    options = ["--models-dir", str(models), "--like", str(table), "--target", "kind"]

    assert main(["models", "add", str(file), "--name", "m", *options]) == 1

    assert capsys.readouterr().err.startswith("softmaxd: rows.csv: line ")
    assert not models.exists()


@pytest.mark.parametrize("option", ["--like", "--target"])
def test_the_table_and_its_column_belong_together(option: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "add", str(file), "--name", "m", "--models-dir", str(file.parent), option, "x"]) == 1

    assert capsys.readouterr().err.startswith("softmaxd: --target COLUMN goes with --calibration FILE or --like FILE")


def test_a_missing_table_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--models-dir", str(file.parent), "--like", "none.csv", "--target", "kind"]

    assert main(["models", "add", str(file), "--name", "m", *options]) == 1

    assert capsys.readouterr().err == "softmaxd: No such file or directory: none.csv\n"


def test_add_prints_no_name_of_the_file_raw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    age = "a\x1b[2Jge"
    graph = people(age=age, inputs={age: (NUMBERS, ("n", 1)), "job": (TEXTS, ("n", 1))}, categories=("\x07", "\r"))
    onnx.save(graph, tmp_path / "people.onnx")

    options = ["--models-dir", str(tmp_path / "models")]
    assert main(["models", "add", str(tmp_path / "people.onnx"), "--name", "people", *options]) == 0
    assert main(["models", "list", *options]) == 0

    lines = capsys.readouterr().out.split("\n")
    assert all(line.isprintable() for line in lines)
    assert "features: the inputs a\\x1b[2Jge float32, job text (2 categories: \\x07, \\r)" in lines
