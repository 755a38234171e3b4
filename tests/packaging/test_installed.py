"""The wheel, installed into an empty environment and used from a folder with misleading names."""

import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.release import Release

MISLEADING = ("service", "training")  # folders of the user's own, with our folders' names


@pytest.fixture(scope="module")
def python(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel; what it depends on comes from the tests' environment."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(release.wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files are not read
    return python


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory."""
    for name in MISLEADING:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('this is not softmaxd')")
    return tmp_path


def said(*command: str | Path, folder: Path) -> str:
    """Return the standard output of a command that succeeds."""
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_and_the_module_say_the_version(python: Path, folder: Path) -> None:
    expected = f"softmaxd {version('softmaxd')}\n"

    assert said(python.parent / "softmaxd", "--version", folder=folder) == expected
    assert said(python, "-m", "softmaxd", "--version", folder=folder) == expected


def test_both_packages_are_imported_from_the_wheel(python: Path, folder: Path) -> None:
    program = "import softmaxd, softmaxd_training; print(softmaxd.__file__, softmaxd_training.__file__)"

    places = said(python, "-c", program, folder=folder).split()

    assert all(Path(place).is_relative_to(python.parent.parent) for place in places)


@pytest.mark.parametrize("name", MISLEADING)
def test_our_folders_are_no_modules(python: Path, tmp_path: Path, name: str) -> None:
    done = subprocess.run([python, "-c", f"import {name}"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr


def test_training_is_found_beside_a_folder_of_that_name(python: Path, folder: Path) -> None:
    assert said(python, "-m", "softmaxd", "train", "example", "iris", folder=folder).count("\n") == 151


def test_the_playground_is_complete(python: Path, folder: Path) -> None:
    program = "from pathlib import Path; import softmaxd; print(Path(softmaxd.__file__).parent / 'playground')"
    ours, theirs = (
        REPOSITORY / "service" / "softmaxd" / "playground",
        Path(said(python, "-c", program, folder=folder)[:-1]),
    )

    files = [path.relative_to(ours) for path in ours.rglob("*") if path.is_file()]

    assert files
    assert all((theirs / file).read_bytes() == (ours / file).read_bytes() for file in files)


def test_type_checkers_see_the_types(python: Path, folder: Path) -> None:
    (folder / "program.py").write_text(
        "from softmaxd.client import Client\n"
        "from softmaxd.numerics.softmax import Softmax, Floats\n"
        "from softmaxd_training.rows import Rows\n\n\n"
        "def probabilities(logits: Floats) -> Floats:\n    return Softmax(logits).probabilities\n\n\n"
        "reveal_type(Rows)\n"
        "reveal_type(Client('http://host').predict([[1.5]], top_k=2))\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--python-executable", str(python)]

    printed = said(*mypy, "program.py", folder=folder)

    assert "softmaxd_training.rows.Rows" in printed
    assert 'Revealed type is "softmaxd.client.answers.Prediction"' in printed
    assert "Success: no issues found in 1 source file" in printed
