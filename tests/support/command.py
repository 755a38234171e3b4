"""Runs the command `softmaxd` to its end."""

import os
import subprocess
import sys

from tests.support.paths import REPOSITORY


def softmaxd(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run the command to its end and return its exit code, standard output and standard error."""
    environment = {f"SOFTMAXD_{name.upper()}": value for name, value in settings.items()}
    result = subprocess.run(
        [sys.executable, "-m", "softmaxd", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr
