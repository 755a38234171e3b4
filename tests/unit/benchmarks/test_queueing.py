"""The waits by the formulas are those of simulated queues, and of the closed forms of textbooks."""

import math

import numpy as np
import pytest
from benchmarks.queueing import CONSTANT, EXPONENTIAL, erlang_c, mean_wait, wait_quantile

REPLICATIONS, REQUESTS, WARM_UP = 40, 6_000, 2_000
STANDARD_ERRORS = 4  # a right formula is further away in one of 16,000 simulations

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def simulate(servers: int, utilisation: float, variation: float, seed: int) -> Array:
    """Return the waits in independent queues after their warm-up, one row each: each request takes the first server."""
    generator = np.random.default_rng(seed)
    shape = (REPLICATIONS, REQUESTS)
    arrivals = generator.exponential(1 / (servers * utilisation), shape).cumsum(axis=1)
    services = generator.exponential(1, shape) if variation else np.ones(shape)
    free = np.zeros((REPLICATIONS, servers))
    waits = np.empty(shape)
    rows = np.arange(REPLICATIONS)
    for request in range(REQUESTS):
        first = free.argmin(axis=1)
        begin = np.maximum(arrivals[:, request], free[rows, first])
        waits[:, request] = begin - arrivals[:, request]
        free[rows, first] = begin + services[:, request]
    return waits[:, WARM_UP:]


def within_its_standard_error(values: Array) -> object:
    """Return the mean over the queues, which are independent, as a number that tolerates some standard errors."""
    error = values.std(ddof=1) / math.sqrt(len(values))
    return pytest.approx(values.mean(), abs=STANDARD_ERRORS * error)


@pytest.mark.parametrize(
    ("servers", "utilisation", "variation"),
    [
        (1, 0.5, EXPONENTIAL),
        (1, 0.8, EXPONENTIAL),
        (1, 0.6, CONSTANT),
        (1, 0.8, CONSTANT),
        (2, 0.6, EXPONENTIAL),
        (16, 0.9, EXPONENTIAL),
    ],
)
def test_the_mean_wait_is_that_of_a_simulation(servers: int, utilisation: float, variation: float) -> None:
    waits = simulate(servers, utilisation, variation, seed=7)

    assert mean_wait(servers, utilisation, variation) == within_its_standard_error(waits.mean(axis=1))


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.6), (2, 0.8), (16, 0.9)])
def test_requests_of_a_simulation_wait_as_often_and_as_long(servers: int, utilisation: float) -> None:
    waits = simulate(servers, utilisation, EXPONENTIAL, seed=8)
    longest = wait_quantile(servers, utilisation, 0.95)

    assert erlang_c(servers, utilisation) == within_its_standard_error((waits > 0).mean(axis=1))
    assert within_its_standard_error((waits <= longest).mean(axis=1)) == 0.95


@pytest.mark.parametrize("utilisation", [0.1, 0.5, 0.95])
def test_one_and_two_servers_follow_their_closed_forms(utilisation: float) -> None:
    assert erlang_c(1, utilisation) == pytest.approx(utilisation)
    assert erlang_c(2, utilisation) == pytest.approx(2 * utilisation**2 / (1 + utilisation))
    assert mean_wait(1, utilisation) == pytest.approx(utilisation / (1 - utilisation))
    assert mean_wait(1, utilisation, CONSTANT) == pytest.approx(utilisation / (1 - utilisation) / 2)


def test_nobody_waits_long_for_one_of_many_servers() -> None:
    assert wait_quantile(64, 0.5, 0.99) == 0
    assert mean_wait(2_000, 0.6) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("utilisation", [0.0, 1.0, 1.5])
def test_a_utilisation_that_no_queue_bears_is_refused(utilisation: float) -> None:
    with pytest.raises(ValueError, match=r"below 1, not"):
        mean_wait(1, utilisation)
