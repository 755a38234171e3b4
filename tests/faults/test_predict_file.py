"""`softmaxd predict` answers as a service does, and in little memory."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np

from tests.support.paths import MODELS, REPOSITORY
from tests.support.server import StartServer

ROWS = 5_000
INCLUDE = ["logits", "log_probabilities"]
MEASURED = """
import os, sys
from softmaxd.cli.main import main
from tests.support.memory import peak

assert main(sys.argv[1:]) == 0
print(peak(os.getpid()))
"""
MAX_GROWTH = 16 * 2**20  # bytes, for 20 times as many rows: 40 MB of answers


def write_rows(file: Path, rows: int) -> list[list[float]]:
    numbers: list[list[float]] = np.random.default_rng(0).uniform(-10, 40, (rows, 2)).tolist()
    file.write_text("x1,x2\n" + "".join(f"{x1!r},{x2!r}\n" for x1, x2 in numbers))
    return numbers


def predict(file: Path, out: Path, *options: str) -> None:
    command = [sys.executable, "-m", "softmaxd", "predict", "blobs", file, "--out", out, "--models-dir", MODELS]
    subprocess.run([*map(str, command), *options], check=True, capture_output=True)


def test_the_answers_are_those_of_the_service_to_the_last_digit(start_server: StartServer, tmp_path: Path) -> None:
    numbers = write_rows(tmp_path / "rows.csv", ROWS)
    server = start_server(models_dir=str(MODELS))

    predict(tmp_path / "rows.csv", tmp_path / "out.csv", "--include", ",".join(INCLUDE))

    body = {"instances": numbers, "include": INCLUDE}
    answer = json.loads(httpx.post(server.url + "/models/blobs/predict", json=body).text, parse_float=str)
    with (tmp_path / "out.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["predicted_label"] for row in found] == answer["labels"]
    for field in ("probabilities", *INCLUDE):
        cells = [[row[f"{field}.blob-{index}"] for index in range(4)] for row in found]
        assert cells == answer[field]


def test_the_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 400_000):
        write_rows(tmp_path / "rows.csv", rows)
        options = ["predict", "blobs", "rows.csv", "--out", "out.csv", "--models-dir", str(MODELS)]
        ended = subprocess.run(
            [sys.executable, "-c", MEASURED, *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(ended.stdout))

    assert peaks[1] - peaks[0] <= MAX_GROWTH
