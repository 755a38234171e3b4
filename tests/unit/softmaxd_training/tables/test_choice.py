"""Of models and of their means, the one with the lowest loss of rows left out is chosen."""

import numpy as np
import pytest

from softmaxd.numerics.softmax import Floats, log_softmax
from softmaxd_training.calibration import fit_temperature, mean_loss
from softmaxd_training.rows import Classes
from softmaxd_training.tables.choice import Candidate, best_of, candidates_of, fit_careful_temperature


def drawn(rows: int, *, scale: float = 1.0, noise: float = 0.0, seed: int = 0) -> tuple[Floats, Classes]:
    """Return logits [n, 3], and classes drawn by the logits divided by `scale`, before `noise` was added to them."""
    chance = np.random.default_rng(0)
    logits = 2 * chance.normal(size=(rows, 3))
    classes = (logits + chance.gumbel(size=logits.shape)).argmax(axis=1)
    return scale * (logits + noise * np.random.default_rng(1 + seed).normal(size=logits.shape)), classes


def test_every_part_and_every_mean_is_a_candidate_and_few_parts_come_first() -> None:
    logits, classes = drawn(50)

    candidates = candidates_of({"networks": logits, "trees": 2 * logits, "linear": 3 * logits}, classes)

    assert [candidate.name for candidate in candidates] == [
        "networks",
        "trees",
        "linear",
        "networks and trees",
        "networks and linear",
        "trees and linear",
        "networks, trees and linear",
    ]


def test_a_part_alone_keeps_its_logits_and_has_its_temperature() -> None:
    logits, classes = drawn(2000, scale=1.5)

    (candidate,) = candidates_of({"networks": logits}, classes)

    assert candidate.weights == {"networks": 1.0}
    assert np.array_equal(candidate.logits({"networks": logits}), logits)
    assert candidate.temperature == pytest.approx(1.5, rel=0.1)
    assert candidate.loss == pytest.approx(mean_loss(logits, classes, candidate.temperature))


def test_a_mean_is_of_the_log_probabilities_at_each_temperature() -> None:
    first, classes = drawn(500, scale=2, noise=0.5, seed=0)
    second, _ = drawn(500, scale=0.5, noise=0.5, seed=1)
    parts = {"trees": first, "linear": second}

    trees, linear, mean = candidates_of(parts, classes)

    probabilities = log_softmax(first, trees.temperature) + log_softmax(second, linear.temperature)
    assert log_softmax(mean.logits(parts)) == pytest.approx(log_softmax(probabilities / 2))
    assert mean.loss == pytest.approx(mean_loss(probabilities / 2, classes, mean.temperature))


def test_models_that_err_apart_are_better_together_and_a_bad_one_is_left_out() -> None:
    parts = {str(seed): drawn(1000, noise=1, seed=seed)[0] for seed in (0, 1)}
    _, classes = drawn(1000)
    worse = {**parts, "bad": drawn(1000, noise=20, seed=2)[0]}

    assert best_of(candidates_of(parts, classes)).name == "0 and 1"
    assert best_of(candidates_of(worse, classes)).name == "0 and 1"


def test_of_equals_the_one_with_the_fewest_parts_is_chosen() -> None:
    first, second = (Candidate(name, 0.5, {name: 1.0}, 1.0) for name in ("a", "b"))

    assert best_of([first, second]) is first


def test_many_rows_decide_the_temperature_alone() -> None:
    logits, classes = drawn(5000, scale=3)

    assert fit_careful_temperature(logits, classes) == pytest.approx(fit_temperature(logits, classes), rel=0.01)


@pytest.mark.parametrize("rows", [2, 30, 300])
def test_rows_that_are_all_right_make_the_answers_only_a_little_surer(rows: int) -> None:
    classes = np.arange(rows) % 2
    logits = np.where(np.eye(2)[classes] == 1, 3.0, 0.0)

    temperature = fit_careful_temperature(logits, classes)

    assert 0.4 < temperature < 1


def test_logits_no_better_than_a_guess_become_unsure() -> None:
    logits, classes = drawn(400)

    assert fit_careful_temperature(logits[::-1], classes) > 3
