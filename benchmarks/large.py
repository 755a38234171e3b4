"""Trains on a large table, and tells its memory and time: `python -m benchmarks.large`.

The table has 1,000,000 rows of 29 numbers, or as many as the options say, and two labels. Its file and its model are
in build/large. The memory is the most that the command has of its own (RssAnon of proc(5)), which a limit counts; pages
of libraries, which the system can drop, are told beside it. The exit code is 1 if it is more than four times the file.
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.processes import ROOT

FOLDER = ROOT / "build" / "large"
ALLOWED = 4.0  # times the file
TEXTS = 30  # different ones of a column
BLOCK = 50_000  # rows that are made at a time
PAUSE = 0.02  # seconds between two looks at the memory


def write(path: Path, rows: int, numbers: int, texts: int) -> None:
    """Write a table whose labels depend on all columns, and on a product of two."""
    chance = np.random.default_rng(0)
    weights = chance.normal(size=numbers + texts)
    names = [*(f"n{column}" for column in range(numbers)), *(f"t{column}" for column in range(texts)), "y"]
    with path.open("w") as file:
        print(*names, sep=",", file=file)
        for start in range(0, rows, BLOCK):
            count = min(BLOCK, rows - start)
            cells, codes = chance.normal(size=(count, numbers)), chance.integers(0, TEXTS, (count, texts))
            every = np.hstack([cells, np.sin(codes)])
            logits = every @ weights / np.sqrt(len(weights)) + every[:, 0] * every[:, -1] + chance.logistic(size=count)
            for row, words, logit in zip(cells.tolist(), codes.tolist(), logits.tolist(), strict=True):
                written = [*(f"{number:.4f}" for number in row), *(f"text{word:02}" for word in words)]
                print(*written, "yes" if logit > 0 else "no", sep=",", file=file)


def main() -> int:
    """Write a table, train on it, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    for name, default in (("rows", 1_000_000), ("numbers", 29), ("texts", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    file = FOLDER / "large.csv"
    write(file, options.rows, options.numbers, options.texts)
    command = [str(Path(sys.executable).with_name("softmaxd")), "train", "table", str(file), "--target", "y"]
    memory, code = _most_of_its_own([*command, "--models-dir", str(FOLDER / "models")])
    used, size = resource.getrusage(resource.RUSAGE_CHILDREN), file.stat().st_size
    print(
        f"{size / 1e6:.0f} MB of CSV; memory {memory / 1e6:.0f} MB, {memory / size:.2f} times the file;"
        f" with all libraries {used.ru_maxrss * 1024 / 1e6:.0f} MB; {used.ru_utime + used.ru_stime:.0f} CPU seconds"
    )
    return code or int(memory > ALLOWED * size)


def _most_of_its_own(command: Sequence[str]) -> tuple[int, int]:
    """Run a command, and return the most anonymous memory of its process, in bytes, and its exit code."""
    most = 0
    with subprocess.Popen(command) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            found = re.search(r"^RssAnon:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
            most = max(most, int(found[1]) * 1024 if found else 0)
            time.sleep(PAUSE)
    return most, process.returncode


if __name__ == "__main__":
    sys.exit(main())
