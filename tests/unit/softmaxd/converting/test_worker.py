"""The process beside answers each request with one line, and ends with the reason for a refusal."""

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from softmaxd.converting.worker import answers
from tests.support.pickles import pickle_calling

ROWS, CLASSES = load_iris(return_X_y=True)
PROBABILITIES = {"inputs": ["features"], "output": "probabilities"}


def answered(model: object, folder: Path, *requests: Mapping[str, Any]) -> list[dict[str, Any]]:
    (folder / "m.pkl").write_bytes(pickle.dumps(model))
    return list(answers("pickle", folder / "m.pkl", folder, requests))


def test_graphs_and_outputs_are_written_to_the_folder(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, CLASSES)
    np.savez(tmp_path / "rows.npz", ROWS[:5])

    facts, *found, output = answered(model, tmp_path, {}, {}, {}, PROBABILITIES)

    assert facts["features"] is None
    assert found == [{"found": True}, {"found": True}, {"found": False}]
    assert output == {"rows": [0, 1, 2, 3, 4]}
    assert np.array_equal(np.load(tmp_path / "output.npy"), model.predict_proba(ROWS[:5]))


def test_rows_that_the_library_refuses_are_left_out(tmp_path: Path) -> None:
    model = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit([[1.0], [2.0], [2.0]], [0, 1, 1])
    np.savez(tmp_path / "rows.npz", np.array([[1.0], [9.0], [2.0]]))

    _, output = answered(model, tmp_path, PROBABILITIES)

    assert output == {"rows": [0, 2]}
    assert np.array_equal(np.load(tmp_path / "output.npy"), model.predict_proba([[1.0], [2.0]]))


def test_a_library_that_takes_no_row_is_refused(tmp_path: Path) -> None:
    model = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit([[1.0], [2.0], [2.0]], [0, 1, 1])
    np.savez(tmp_path / "rows.npz", np.array([[9.0]]))

    _, refusal = answered(model, tmp_path, PROBABILITIES)

    assert refusal["refused"].partition(" cannot run it: ")[2].startswith("Found unknown categories")


def test_any_other_error_is_a_refusal(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, CLASSES)

    _, refusal = answered(model, tmp_path, PROBABILITIES)  # there are no rows

    assert refusal["refused"].startswith("FileNotFoundError: ")


def test_a_line_that_a_library_prints_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(print, "hello"))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "softmaxd.converting.worker",
        "pickle",
        tmp_path / "m.pkl",
        tmp_path,
    ]

    ended = subprocess.run(command, input=b"", capture_output=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert list(json.loads(ended.stdout)) == ["refused"]


@pytest.mark.parametrize("content", [b"", b"\x80\x04garbage", b"\x1f\x8bgarbage"])
def test_a_broken_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.pkl").write_bytes(content)

    (answer,) = answers("pickle", tmp_path / "m.pkl", tmp_path, [])

    assert answer["refused"].startswith("it cannot be unpickled: ")
    assert "\n" not in answer["refused"]
