import time

import numpy as np
import pytest

from softmaxd.errors import ModelError
from softmaxd.models import warming
from softmaxd.models.outputs import Array
from softmaxd.models.together import Run
from softmaxd.models.warming import TRIALS, check_finite, fastest, middle, rows_to_try, warm_up
from tests.support.manifests import manifest


def outputs(values: Array) -> dict[str, Array]:
    return {"logits": values, "probabilities": values}


def logarithm(features: Array) -> dict[str, Array]:
    with np.errstate(all="ignore"):
        return outputs(np.log(features))


def for_one_row(features: Array) -> dict[str, Array]:
    if len(features) > 1:
        raise ValueError
    return outputs(np.where(features == 0, np.nan, features))


def never(features: Array) -> dict[str, Array]:
    return outputs(np.full_like(features, np.nan))


def infinite_logits(features: Array) -> dict[str, Array]:
    return {"logits": np.full_like(features, np.inf), "probabilities": features}


@pytest.mark.parametrize("run", [outputs, logarithm, for_one_row])
def test_a_model_with_finite_outputs_for_some_row_is_served(run: Run) -> None:
    check_finite(run, manifest(), rows_to_try(manifest()))


@pytest.mark.parametrize("run", [never, infinite_logits])
def test_a_model_whose_outputs_are_never_finite_is_refused(run: Run) -> None:
    with pytest.raises(ModelError, match="not finite for any of the rows that were tried"):
        check_finite(run, manifest(), rows_to_try(manifest()))


def test_rows_are_tried_in_the_ranges_of_the_features_some_of_them_whole() -> None:
    features = [{"name": "x1", "min": 10, "max": 20}, {"name": "x2"}]

    rows = rows_to_try(manifest(features=features))

    assert (rows.min(axis=0) >= [10, -1]).all()
    assert (rows.max(axis=0) <= [20, 1]).all()
    assert (rows[::2] == np.rint(rows[::2])).all()
    assert (rows[1::2] != np.rint(rows[1::2])).any()


RANGES = {
    "wider than float64": {"min": -1.7e308, "max": 1.7e308},
    "without an end": {"min": 5},
    "without a begin": {"max": -5},
    "the wrong way round": {"min": 5, "max": 1},
}


@pytest.mark.parametrize("ends", RANGES.values(), ids=RANGES)
def test_a_table_has_rows_to_try_whatever_its_ranges_are(ends: dict[str, float]) -> None:
    features = [{"name": "age", "input": "age", **ends}, {"name": "children", "input": "children", "datatype": "INT64"}]

    rows = rows_to_try(manifest(features=features, datatype="FP64"))

    assert np.isfinite(rows["age"]).all()
    assert len(np.unique(rows["age"])) > 1


@pytest.mark.parametrize("place", [{}, {"input": "codes"}], ids=["array", "table"])
def test_only_numbers_that_the_graph_takes_are_tried(place: dict[str, str]) -> None:
    features = [{"name": "code", "min": 3, "max": 9, "values": [3, 5.5, 9], **place}]
    codes = manifest(features=features)

    rows, one = rows_to_try(codes), middle(codes, 2)
    if place:
        rows, one = rows["codes"], one["codes"]

    assert set(rows[:, 0].tolist()) == {3, 5.5, 9}
    assert one.tolist() == [[5.5], [5.5]]


def test_a_warm_up_takes_time_and_says_why_it_fails() -> None:
    assert warm_up(outputs, manifest()) > 0
    with pytest.raises(ModelError, match=r"^ONNX Runtime cannot run 64 rows: ValueError$"):
        warm_up(for_one_row, manifest())
    with pytest.raises(ModelError, match=r"^it gives 0 rows of logits for 1 rows$"):
        warm_up(lambda features: outputs(features[1:]), manifest())


@pytest.mark.parametrize(("trial_seconds", "runs"), [(60, TRIALS), (0, 1)])
def test_the_fastest_of_some_runs_counts(monkeypatch: pytest.MonkeyPatch, trial_seconds: float, runs: int) -> None:
    monkeypatch.setattr(warming, "TRIAL_SECONDS", trial_seconds)
    waits = [0.1] + (TRIALS - 1) * [0.0]

    def run(features: Array) -> dict[str, Array]:
        time.sleep(waits.pop(0))
        return outputs(features)

    assert (fastest(run, np.zeros((1, 2))) < 0.1) == (runs > 1)
    assert len(waits) == TRIALS - runs
