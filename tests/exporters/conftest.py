"""The models that libraries export, and the table at the end of the run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

Exported = Callable[[str], Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return the folder with the models of a library, which are exported when they are first asked for."""
    folders: dict[str, Path] = {}

    def find(library: str) -> Path:
        if library not in folders:
            folders[library] = tmp_path_factory.mktemp(library)
            command = [sys.executable, "-m", "tests.support.exporting", library, str(folders[library])]
            subprocess.run(command, cwd=REPOSITORY, check=True, timeout=300)
        return folders[library]

    return find


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a line for each row: added or refused, the largest difference to the library, and the seconds to add it."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = sorted(str(value) for report in reports for name, value in report.user_properties if name == "row")
    if lines:
        terminalreporter.section("exporter | added or refused | largest difference | seconds")
        terminalreporter.write("".join(f"{line}\n" for line in lines))
