"""Each row of docs/reliability.md and SECURITY.md has a figure, and a test or command that CI or `make soak` runs."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

PAGES = [(REPOSITORY / name).read_text() for name in ("docs/reliability.md", "SECURITY.md")]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
CI = (REPOSITORY / ".ci" / "run").read_text()
TARGETS = {"container": "test-container", "swarm": "swarm-test"}  # of the folders that `make test` leaves out
ROWS = [
    row
    for page in PAGES
    for row in re.findall(r"^\| (.+) \|$", page, re.MULTILINE)
    if not row.startswith(("promise", "threat", "---"))
]


def commands(row: str) -> list[str]:
    return re.findall(r"`(.+?)`", row.rpartition(" | ")[2])


def recipe(target: str) -> str:
    """Return the lines of a target of the Makefile, or nothing."""
    return "".join(re.findall(rf"^{target}:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE))


def is_run(target: str) -> bool:
    """Return whether CI or `make soak` runs a target of the Makefile."""
    is_soaked = target == "soak" or bool(re.search(rf" {target}\b", recipe("soak")))
    return bool(recipe(target)) and (is_soaked or bool(re.search(rf"\bmake {target}\b", CI)))


def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def exists(command: str) -> bool:
    """Return whether a test or a target of the Makefile exists and is run."""
    if command.startswith("make "):
        return is_run(command.removeprefix("make "))
    path, _, name = command.partition("::")
    file = REPOSITORY / path
    target = TARGETS.get(file.parent.name, "test")
    return is_run(target) and file.name.startswith("test_") and file.exists() and name in functions_of(file)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.partition(" | ")[0])
def test_a_promise_has_a_figure_and_a_test_that_is_run(row: str) -> None:
    cells = row.split(" | ")

    assert len(cells) == 3
    assert all(cells)
    assert commands(row)
    assert [command for command in commands(row) if not exists(command)] == []


def test_a_test_that_is_gone_is_noticed() -> None:
    assert exists("tests/unit/test_reliability.py::test_a_test_that_is_gone_is_noticed")
    assert not exists("tests/unit/test_reliability.py::test_no_more")
    assert not exists("tests/unit/test_no_more.py::test_no_more")
    assert not exists("make clean")
    assert not exists("make no-more")


def test_the_soak_runs_the_fuzzing_too() -> None:
    assert "fuzz" in recipe("soak")
