"""Fuzzes every target in turn: `python -m tests.support.fuzzing --seconds 30`.

Prints a line for each, and ends with 1 if one of them found an error, or if the planted error was not found.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.fuzzing.targets import CONTROL, CORPUS, TARGETS
from tests.support.paths import REPOSITORY

FOLDER = REPOSITORY / "build" / "fuzz"
INPUT_SECONDS, INPUT_MEGABYTES = 30, 2048  # the most that one input may take
CONTROL_SECONDS = 120  # the planted error is found in one or two
MARGIN_SECONDS = 120  # for the start, and for the last input
MOST_EXCERPT = 400


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run."""

    name: str
    code: int
    log: str
    inputs: Sequence[Path]  # those that ended it

    def __str__(self) -> str:
        runs = re.findall(r"^Done (\d+) runs", self.log, re.MULTILINE)
        edges = re.findall(r"cov: (\d+)", self.log)
        line = f"{self.name:12} {(runs or ['–'])[-1]:>9} inputs {(edges or ['–'])[-1]:>5} edges  "
        if self.code == 0:
            return line + "no error"
        error = self.log.partition("Uncaught Python exception")[2][-4000:] or self.log[-4000:]
        contents = "\n".join(f"  {path}: {path.read_bytes()[:MOST_EXCERPT]!r}" for path in self.inputs)
        return f"FAIL {line}exit code {self.code}\n{contents}\n{error}"


def main() -> int:
    """Run all targets or those named, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--processes", type=int, default=2, help="targets at the same time")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="all of them without one")
    options = parser.parse_args()
    found = fuzz(CONTROL, CONTROL_SECONDS)
    print("the planted error was " + ("found" if found.inputs else f"not found:\n{found.log[-4000:]}"), flush=True)
    results = [found]
    with ThreadPoolExecutor(options.processes) as pool:
        for result in pool.map(lambda name: fuzz(name, options.seconds), options.targets or TARGETS):
            print(result, flush=True)
            results.append(result)
    return int(not found.inputs or any(result.code for result in results[1:]))


def fuzz(name: str, seconds: int) -> Result:
    """Fuzz a target; new inputs that lead to new lines go into a folder below `build/`, as do those with errors."""
    folder = FOLDER / name
    for part in ("errors", "tmp", *(["new"] if name == CONTROL else [])):  # the control begins with nothing
        shutil.rmtree(folder / part, ignore_errors=True)
    for part in ("new", "errors", "tmp"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.support.fuzzing.run", name, f"-max_total_time={seconds}"]
    command += [f"-timeout={INPUT_SECONDS}", f"-rss_limit_mb={INPUT_MEGABYTES}"]
    command += [f"-artifact_prefix={folder / 'errors'}/", str(folder / "new")]
    command += [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    log = folder / "log.txt"
    with log.open("wb") as file:
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
            stdout=file,
            stderr=file,
            check=False,
            timeout=seconds + MARGIN_SECONDS,
        )
    return Result(name, done.returncode, log.read_text(errors="replace"), sorted((folder / "errors").iterdir()))


if __name__ == "__main__":
    sys.exit(main())
