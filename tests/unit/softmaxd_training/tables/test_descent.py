"""Eight networks learn at once: their gradients are those of the loss, and their steps those of AdamW."""

import math

import numpy as np
import pytest

from softmaxd.numerics.softmax import Floats
from softmaxd_training.rows import Classes
from softmaxd_training.tables.descent import BLOCK, DECAY, DROPPED, LEARNING_RATE, AdamW, Batch, Weights, gradient
from softmaxd_training.tables.folds import FOLDS

ROWS, WIDTH, UNITS, LABELS = 11, 3, 4, 3


def in_float64(seed: int) -> tuple[Weights, Batch]:
    """Return weights and a batch in float64, in which a difference of losses tells a slope."""
    chance = np.random.default_rng(seed)
    weights = Weights.zeros(WIDTH, UNITS, LABELS, np.float64)
    weights.every[:] = chance.normal(size=len(weights.every)) / 2
    rows, classes, folds = chance.random((ROWS, WIDTH)), chance.integers(0, LABELS, ROWS), np.arange(ROWS) % FOLDS
    drawn = Batch.of(rows, classes, folds, UNITS, chance)
    kept = drawn.kept[0].astype(np.float64), drawn.kept[1].astype(np.float64)
    return weights, Batch(rows, classes, drawn.shares.astype(np.float64), kept)


def loss(weights: Weights, batch: Batch) -> float:
    """Return the sum of the networks' losses, written row by row and network by network."""
    total = 0.0
    for network in range(FOLDS):
        mine = slice(network * UNITS, (network + 1) * UNITS)
        for row, true in enumerate(batch.classes):
            hidden = np.maximum(batch.rows[row] @ weights.first[:, mine] + weights.first_bias[mine], 0)
            hidden = hidden * batch.kept[0][row, mine]
            deeper = np.maximum(hidden @ weights.second[network] + weights.second_bias[network, 0], 0)
            logits = deeper * batch.kept[1][network, row] @ weights.last[network] + weights.last_bias[network, 0]
            total += batch.shares[network, row, 0] * (math.log(np.exp(logits).sum()) - logits[true])
    return total


def test_the_gradient_is_the_slope_of_the_loss_in_every_weight() -> None:
    weights, batch = in_float64(0)
    found = Weights.zeros(WIDTH, UNITS, LABELS, np.float64)
    step = 1e-6

    gradient(weights, batch, found)

    for place in range(len(weights.every)):
        before = weights.every[place]
        losses = []
        for moved in (before + step, before - step):
            weights.every[place] = moved
            losses.append(loss(weights, batch))
        weights.every[place] = before
        # A difference of losses about 8 is rounded by 1e-15, and a step divides that by 2e-6.
        assert found.every[place] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-7)


def test_a_network_learns_nothing_from_the_fold_that_it_leaves_out() -> None:
    chance = np.random.default_rng(0)
    rows, classes = chance.random((ROWS, WIDTH)).astype(np.float32), chance.integers(0, LABELS, ROWS)
    weights = Weights.drawn(WIDTH, UNITS, np.bincount(classes), chance)
    found = Weights.zeros(WIDTH, UNITS, LABELS)

    gradient(weights, Batch.of(rows, classes, np.full(ROWS, 5), UNITS, chance), found)

    assert [bool(found.last[network].any()) for network in range(FOLDS)] == [network != 5 for network in range(FOLDS)]
    assert not found.first.reshape(WIDTH, FOLDS, UNITS)[:, 5].any()


def test_a_tenth_of_the_hidden_numbers_is_left_out_and_the_others_make_up_for_it() -> None:
    rows, classes = np.zeros((2_000, 1), np.float32), np.zeros(2_000, np.int64)

    batch = Batch.of(rows, classes, classes, UNITS, np.random.default_rng(0))

    for kept in batch.kept:
        share = DROPPED / 256
        assert set(np.unique(kept).tolist()) == {0.0, float(np.float32(1 / (1 - share)))}
        # 64,000 draws: five standard deviations of their share
        assert abs((kept == 0).mean() - share) < 5 * math.sqrt(share * (1 - share) / kept.size)


def steps_of(weights: Floats, gradients: list[Floats]) -> Floats:
    """Return weights after some steps of AdamW, as its paper writes them."""
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for count, each in enumerate(gradients, start=1):
        first, second = 0.9 * first + 0.1 * each, 0.999 * second + 0.001 * each**2
        root = np.sqrt(second) + 1e-7
        rate = LEARNING_RATE * math.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        weights = weights - LEARNING_RATE * DECAY * weights - rate * first / root
    return weights


def test_steps_are_those_of_adamw_in_all_blocks() -> None:
    chance = np.random.default_rng(0)
    start, gradients = chance.normal(size=BLOCK + 10), [chance.normal(size=BLOCK + 10) for _ in range(4)]
    weights = start.copy()
    moving = AdamW(weights)

    for each in gradients:
        moving.step(each.copy())

    assert weights == pytest.approx(steps_of(start, gradients), abs=1e-12)


@pytest.mark.parametrize("counts", [np.array([1, 199]), np.array([100, 0, 100])])
def test_the_first_answers_are_about_the_shares_of_the_classes(counts: Classes) -> None:
    weights = Weights.drawn(WIDTH, UNITS, counts, np.random.default_rng(0))

    shares = np.exp(weights.last_bias[:, 0])
    assert shares == pytest.approx(np.tile(np.maximum(counts, 1) / 200, (FOLDS, 1)))


def test_first_weights_have_the_variance_that_keeps_the_size_of_numbers() -> None:
    weights = Weights.drawn(50, 64, np.array([1, 1]), np.random.default_rng(0))

    # Of 25,600 normal numbers or more the standard deviation is known to 0.5 %; five of that are allowed.
    assert weights.first.std() == pytest.approx(math.sqrt(2 / 50), rel=0.025)
    assert weights.second.std() == pytest.approx(math.sqrt(2 / 64), rel=0.025)
