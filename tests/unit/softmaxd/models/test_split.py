import numpy as np
import pytest

from softmaxd.errors import CannotRun
from softmaxd.models.outputs import Array, Batch, Features, Outputs
from softmaxd.models.split import Unknown, atypicality_of, sample_of, split
from softmaxd.models.together import Run


class Parts:
    """The two parts of a model, which count their rows."""

    def __init__(self) -> None:
        self.plain_rows = 0
        self.later_rows: list[int] = []
        self.run: Run = split(self.plain, self.later)

    def plain(self, features: Features) -> dict[str, Array]:
        self.plain_rows += len(features)
        return {"logits": features + 1, "probabilities": features / 10}

    def later(self, features: Features) -> dict[str, Array]:
        self.later_rows.append(len(features))
        if (features < 0).any():
            raise RuntimeError("no such row")
        return {"atypicality": features.sum(axis=1)}


def rows(*values: float) -> Features:
    return np.array(values, dtype=np.float32).reshape(-1, 1)


def test_atypicality_is_computed_once_and_only_if_it_is_read() -> None:
    parts = Parts()
    outputs = parts.run(rows(1, 2, 3))
    batch = Batch(outputs)

    assert Outputs(batch, 0, 2)["probabilities"].tolist() == pytest.approx(rows(0.1, 0.2))
    assert "atypicality" not in outputs
    assert parts.later_rows == []

    assert Outputs(batch, 1, 3).atypicality.tolist() == [2, 3]
    assert Outputs(batch, 0, 1)["atypicality"].tolist() == [1]
    assert (parts.plain_rows, parts.later_rows) == (3, [3])


def test_another_output_is_still_missing() -> None:
    with pytest.raises(KeyError, match="entropy"):
        Parts().run(rows(1))["entropy"]


def test_rows_without_atypicality_are_told_as_those_of_a_model_that_cannot_run_them() -> None:
    with pytest.raises(CannotRun, match="no such row"):
        Parts().run(rows(1, -1))["atypicality"]


def test_samples_that_nobody_asked_for_run_together() -> None:
    parts = Parts()
    asked, *others = (parts.run(rows(*range(start, start + 4))) for start in (0, 10, 20))
    assert asked["atypicality"].tolist() == [0, 1, 2, 3]
    whole = {"atypicality": rows(7, 8)[:, 0]}

    samples = [sample_of(outputs, 2) for outputs in (asked, others[0])]
    samples += [sample_of(others[1], 1), sample_of(whole, 1)]

    assert [isinstance(sample, Unknown) for sample in samples] == [False, True, True, False]
    assert sorted(atypicality_of(samples).tolist()) == [0, 2, 7, 8, 10, 12, 20, 21, 22, 23]
    assert parts.later_rows == [4, 6]


def test_a_sample_does_not_hold_the_rows_that_are_not_in_it() -> None:
    outputs = Parts().run(rows(*range(100)))
    sample = sample_of(outputs, 50)
    assert isinstance(sample, Unknown)
    assert sample.features.base is None
    outputs["atypicality"]
    known = sample_of(outputs, 50)
    assert isinstance(known, np.ndarray)
    assert known.base is None
