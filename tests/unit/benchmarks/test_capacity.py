"""Capacity and cost follow from the processor time of a request."""

import pytest
from benchmarks.capacity import Values, core_hours, planned_rate


def result(**medians: float) -> dict[str, object]:
    """Return a result with these medians."""
    return {"measurements": [{"name": name, "median": median} for name, median in medians.items()]}


def values() -> Values:
    names = {"1 worker, 50 %: processor time": 20.0, "2 workers, 50 %: processor time": 25.0}
    edge = {
        "alone: processor time of the service": 15.0,
        "behind HAProxy: processor time of the service": 30.0,
        "behind HAProxy: processor time of HAProxy": 45.0,
    }
    runs = {"by an actor, 64 at once: processor time": 700.0, "in the process: processor time": 8.0}
    return Values({"S1": result(**names), "S2": result(**runs), "S3": result(**edge)})


def test_a_core_is_planned_for_three_fifths_of_its_time() -> None:
    assert planned_rate(1, 10.0) == pytest.approx(60_000)
    assert planned_rate(8, 20.0) == pytest.approx(240_000)


def test_a_billion_predictions_take_the_hours_of_idle_time_as_well() -> None:
    assert core_hours(3.6 * 0.6) == pytest.approx(1)


def test_a_worker_behind_the_proxy_pays_in_proportion() -> None:
    assert values().service == 20
    assert values().proxy == 45
    assert values().service_behind_proxy == pytest.approx(25 * 30 / 15)


def test_a_hop_is_the_time_of_an_actor_without_that_of_the_run_itself() -> None:
    assert values().hop == pytest.approx(692)


def test_a_measurement_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"rate"):
        values().median("S1", "rate")
