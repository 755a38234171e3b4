"""A library's file is opened in a process of its own, whose end is one line, whatever ends it."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from softmaxd.converting.apart import opened_apart
from softmaxd.errors import Refused
from tests.support.pickles import pickle_calling


def test_a_model_gives_its_facts_its_graphs_and_its_answers(tmp_path: Path) -> None:
    rows, classes = load_iris(return_X_y=True)
    model = LogisticRegression(max_iter=1000).fit(rows, classes)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(model))

    with opened_apart("pickle", tmp_path / "m.pkl") as original:
        facts = original.library.split()[0], original.converter.split()[0], original.features, original.notes
        first = next(original.graphs())
        graphs = list(original.graphs())
        again = list(original.graphs())
        taken, values = original.run({"features": rows[:3]}, "probabilities")

    assert facts == ("scikit-learn", "skl2onnx", None, [])
    assert len(graphs) == 2
    assert again == graphs
    assert first is graphs[0]
    assert taken == [0, 1, 2]
    assert np.array_equal(values, model.predict_proba(rows[:3]))


def test_its_refusal_is_ours(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(print, "a library prints this, which would be no answer"))

    with (
        pytest.raises(Refused, match=r"^it has a NoneType, which is no fitted classifier of scikit-learn$"),
        opened_apart("pickle", tmp_path / "m.pkl"),
    ):
        pass


def test_a_file_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(os._exit, 3))

    with (
        pytest.raises(Refused, match=r"^its library ended without an answer \(code 3\): the file may be broken$"),
        opened_apart("pickle", tmp_path / "m.pkl"),
    ):
        pass


def test_a_file_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle_calling(time.sleep, 600))

    with (
        pytest.raises(Refused, match=r"^its library ended without an answer \(code -9\)"),
        opened_apart("pickle", tmp_path / "m.pkl", deadline=0.1),
    ):
        pass


def test_a_request_to_a_process_that_has_ended_is_refused_too(tmp_path: Path) -> None:
    rows, classes = load_iris(return_X_y=True)
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(LogisticRegression(max_iter=1000).fit(rows, classes)))

    with opened_apart("pickle", tmp_path / "m.pkl") as original:
        with pytest.raises(Refused, match=r"^scikit-learn .* cannot run it: X has 1 features"):
            original.run({"features": rows[:3, :1]}, "probabilities")
        original._process.wait()
        with pytest.raises(Refused, match=r"^its library ended without an answer \(code 0\)"):
            original.run({"features": rows[:3]}, "probabilities")
