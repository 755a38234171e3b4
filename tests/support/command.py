"""Runs the command `softmaxd` to its end."""

import os
import sys

from tests.support.paths import REPOSITORY
from tests.support.processes import run


def softmaxd(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run the command to its end and return its exit code, standard output and standard error."""
    environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "softmaxd", *arguments]
    result = run(command, cwd=REPOSITORY, env={**os.environ, **environment}, timeout=60)
    return result.returncode, result.stdout, result.stderr
