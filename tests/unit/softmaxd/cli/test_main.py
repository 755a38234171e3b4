import io
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from softmaxd.cli.main import main
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS

COMMANDS = (
    ["serve"],
    ["models"],
    ["models", "add"],
    ["models", "list"],
    ["models", "check"],
    ["train"],
    ["train", "blobs"],
    ["train", "table"],
    ["train", "example"],
    ["key"],
    ["key", "new"],
    ["key", "hash"],
    ["health"],
)


def test_the_version_is_the_one_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])

    assert capsys.readouterr().out == f"softmaxd {version('softmaxd')}\n"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])

    printed = " ".join(capsys.readouterr().out.split())
    assert exit_.value.code == 0
    assert f"usage: softmaxd {' '.join(command)} " in printed
    assert "example: softmaxd " in printed


def test_a_wrong_setting_is_2_and_a_folder_that_is_not_there_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [main(["health", "--port", "http"]), main(["models", "list", "--models-dir", "/nowhere"])]

    assert codes == [2, 1]
    assert capsys.readouterr().err.splitlines() == [
        "softmaxd: --port: Input should be a valid integer, unable to parse string as an integer",
        "softmaxd: /nowhere is not a folder; set the folder of models with --models-dir",
    ]


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_settings: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("softmaxd.cli.health.run", interrupt)

    assert main(["health"]) == 130
    assert capsys.readouterr().err == "softmaxd: interrupted\n"


def test_a_failure_prints_no_escapes_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list", "--models-dir", "/no\x1b[2Jwhere\n"]) == 1

    assert capsys.readouterr().err.startswith(r"softmaxd: /no\x1b[2Jwhere\n is not a folder")


def test_a_stream_without_an_encoding_is_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert main(["models", "list", "--models-dir", str(tmp_path)]) == 0


def test_closed_streams_are_written_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)

    assert main(["models", "list", "--models-dir", str(tmp_path)]) == 0
    assert main(["models", "list", "--models-dir", str(tmp_path / "none")]) == 1
    for stream in (sys.stdout, sys.stderr):
        assert stream.name == os.devnull
        stream.close()


def test_an_error_of_the_system_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, 1, linear().SerializeToString())
    (tmp_path / "file").write_text("")

    code = main(["models", "copy", "linear", "1", "--to-dir", str(tmp_path / "file"), "--models-dir", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err == f"softmaxd: Not a directory: {tmp_path / 'file' / 'linear'}\n"


def test_a_full_disk_is_told_once() -> None:
    command = f'"{sys.executable}" -m softmaxd models list --models-dir "{MODELS}" > /dev/full'

    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - for the file

    assert (ended.returncode, ended.stderr) == (1, "softmaxd: No space left on device: standard output\n")


def test_help_imports_neither_training_nor_the_engine() -> None:
    program = (
        "import sys\nfrom softmaxd.cli.main import main\n"
        "try: main(['train', 'blobs', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'softmaxd_training', 'tensorflow', 'onnxruntime', 'numpy', 'onnx'} & set(sys.modules)))"
    )

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert printed.splitlines()[-1] == "[]"
