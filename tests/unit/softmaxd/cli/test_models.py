import os
import subprocess
import sys
from pathlib import Path

import pytest

from softmaxd.cli.main import main
from softmaxd.models.pins import write_pin
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS


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
    assert "python -m pip install 'softmaxd[add]'" in capsys.readouterr().err


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


@pytest.mark.parametrize("action", ["list", "check"])
def test_a_pinned_version_that_is_missing_is_named(
    action: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    write_pin(tmp_path / "linear", 2)

    assert main(["models", action, "--models-dir", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "softmaxd: linear version 2 is pinned, but not there\n"
