from pathlib import Path

import pytest

from softmaxd.cli.main import main
from softmaxd.models.loading import read_manifest
from softmaxd.models.pins import PIN_FILE, read_pin, write_pin
from tests.support.onnx_models import linear, publish

GOOD = linear().SerializeToString()


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for version in (1, 2):
        publish(tmp_path / "models", version, GOOD)
    return tmp_path / "models"


def run(models: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, the output and the errors of `softmaxd models`."""
    code = main(["models", *arguments, "--models-dir", str(models)])
    return code, *capsys.readouterr()


def test_a_version_is_pinned_and_unpinned(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pinned = run(models, capsys, "pin", "linear", "1")
    pin = read_pin(models / "linear")
    unpinned = run(models, capsys, "pin", "linear", "--unpin")

    assert pinned == (0, "linear version 1 is pinned\n", "")
    assert pin == 1
    assert unpinned == (0, "linear has no pinned version: the highest one answers\n", "")
    assert read_pin(models / "linear") is None


@pytest.mark.parametrize("arguments", [["linear"], ["linear", "1", "--unpin"], ["linear", "0"], ["linear", "one"]])
def test_pin_takes_a_version_or_unpin(models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["models", "pin", *arguments, "--models-dir", str(models)])

    assert "softmaxd models pin: error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pin", "linear", "3"], "linear has no version 3, but 1, 2"),
        (["pin", "../models/linear", "1"], "{models} has no model ../models/linear"),
        (["pin", "other", "--unpin"], "{models} has no model other"),
        (["remove", "linear", "3"], "linear has no version 3, but 1, 2"),
        (
            ["remove", "linear", "2"],
            "linear version 2 is pinned: first pin another one, or use softmaxd models pin linear --unpin",
        ),
        (["copy", "linear", "3"], "linear has no version 3, but 1, 2"),
        *(
            (
                ["copy", "linear", "1", "--to-name", name],
                "--to-name should be 1 to 64 letters, digits, '.', '_' and '-', beginning with a letter or a digit",
            )
            for name in ("../x", "")
        ),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    write_pin(models / "linear", 2)

    assert run(models, capsys, *arguments) == (1, "", f"softmaxd: {reason.format(models=models)}\n")
    assert sorted(path.name for path in (models / "linear").iterdir()) == ["1", "2", PIN_FILE]
    assert read_pin(models / "linear") == 2


def test_a_version_that_cannot_be_read_is_not_pinned(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(models, 3, b"broken")

    assert run(models, capsys, "pin", "linear", "3") == (
        1,
        "",
        "softmaxd: model.onnx is not an ONNX file, or not all of it\n",
    )


def test_a_model_that_lost_all_versions_can_be_unpinned(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "empty").mkdir()
    write_pin(models / "empty", 1)

    assert run(models, capsys, "remove", "empty", "1")[2] == "softmaxd: empty has no version 1, but no version at all\n"
    assert run(models, capsys, "pin", "empty", "--unpin")[0] == 0
    assert read_pin(models / "empty") is None


def test_a_version_is_removed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(models, capsys, "remove", "linear", "2") == (0, f"removed {models / 'linear' / '2'}\n", "")
    assert [path.name for path in (models / "linear").iterdir()] == ["1"]


def test_a_version_is_copied(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = run(models, capsys, "copy", "linear", "1")
    elsewhere = run(models, capsys, "copy", "linear", "1", "--to-name", "other", "--to-dir", str(tmp_path / "new"))

    assert again == (0, f"published {models / 'linear' / '3'}\n", "")
    assert elsewhere == (0, f"published {tmp_path / 'new' / 'other' / '1'}\n", "")
    assert read_manifest(models / "linear" / "3").notes == ("copied from linear version 1",)
    assert read_manifest(tmp_path / "new" / "other" / "1").name == "other"


def test_an_error_of_the_system_names_the_file(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    code, _, error = run(models, capsys, "copy", "linear", "1", "--to-dir", str(tmp_path / "file"))

    assert (code, error) == (1, f"softmaxd: Not a directory: {tmp_path / 'file' / 'linear'}\n")


@pytest.mark.parametrize("command", ["pin linear 1", "remove linear 1", "copy linear 1", "route linear --to 1=10%"])
def test_the_folder_of_a_single_model_is_left_alone(
    models: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = models / "linear"

    refused = run(folder, capsys, *command.split())

    assert refused == (
        1,
        "",
        f"softmaxd: {folder} is the folder of a single model: give the folder of models above it\n",
    )
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert run(folder, capsys, "copy", "linear", "1", "--to-dir", str(models.parent / "new"))[0] == 0
