"""The folders of the tests: unit tests mirror the packages, and no test imports a test."""

import tomllib
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.structure import PACKAGES

TESTS = REPOSITORY / "tests"


def names_of(folder: Path, prefix: str = "") -> set[str]:
    """Return the names of the modules below a folder, without the prefix of their files; `__main__` is main."""
    found = {path.relative_to(folder).with_suffix("") for path in folder.rglob(f"{prefix}*.py")}
    return {str(path.with_name(path.name.removeprefix(prefix).strip("_"))) for path in found if path.name != "__init__"}


def unit_tests(package: Path) -> set[str]:
    return names_of(TESTS / "unit" / package.name, prefix="test_")


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_module_has_a_file_of_unit_tests(package: Path) -> None:
    assert names_of(package) - unit_tests(package) == set()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_every_file_of_unit_tests_has_its_module(package: Path) -> None:
    assert unit_tests(package) - names_of(package) == set()


def test_the_import_contract_knows_every_folder_of_tests() -> None:
    folders = {path.name for path in TESTS.iterdir() if (path / "__init__.py").exists()}
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [each for each in settings["contracts"] if each["type"] == "protected"]

    assert set(contract["protected_modules"]) == {
        "tests.conftest",
        *(f"tests.{folder}.**" for folder in folders - {"support"}),
    }
