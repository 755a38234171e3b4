"""Eight networks are trained as one, and each row is judged by the network that left it out."""

import keras
import numpy as np
import pytest

from softmaxd.models.outputs import Array
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Classes
from softmaxd_training.tables import ensemble
from softmaxd_training.tables.ensemble import (
    MOST_EPOCHS,
    PATIENCE,
    Networks,
    batch_of,
    build,
    fit_networks,
    most_epochs,
    networks_of,
    parts_of,
)
from softmaxd_training.tables.folds import FOLDS, deal


def rings(count: int) -> tuple[Array, Classes]:
    """Return points [n, 2] between 0 and 1, and whether each lies near the middle."""
    points = np.random.default_rng(0).random((count, 2)).astype(np.float32)
    return points, (np.hypot(*(points - 0.5).T) < 0.4).astype(np.int64)


class Asked:
    """Encoded rows that remember the most that were asked for at a time."""

    def __init__(self, rows: Array) -> None:
        self.rows = rows
        self.shape = rows.shape
        self.most = 0

    def __getitem__(self, places: Classes) -> Array:
        self.most = max(self.most, len(places))
        found: Array = self.rows[places]
        return found


def test_the_networks_learn_and_judge_rows_that_they_have_not_seen() -> None:
    points, classes = rings(400)
    told: list[str] = []

    networks, logits = fit_networks(points, classes, deal(classes, seed=0), seed=0, on_epoch=told.append)

    assert mean_loss(networks.logits(points).astype(np.float64), classes) < 0.25
    assert mean_loss(logits, classes) < 0.3
    assert told[0].startswith("networks: epoch 1, out-of-fold loss ")
    assert len(told) <= MOST_EPOCHS


def test_rows_without_a_meaning_are_not_known_by_the_network_that_left_them_out() -> None:
    chance = np.random.default_rng(0)
    points, classes = chance.random((200, 30)).astype(np.float32), chance.integers(0, 2, 200)
    told: list[str] = []

    _, logits = fit_networks(points, classes, deal(classes, seed=0), seed=0, on_epoch=told.append)

    assert mean_loss(logits, classes) > 0.6  # ln 2 is 0.69
    lowest = [line.split()[-1] for line in told]
    assert len(told) < MOST_EPOCHS, "it stops early"
    assert lowest[-1] == lowest[-1 - PATIENCE]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    points, classes = rings(60)
    folds = deal(classes, seed=0)

    first, again, other = (fit_networks(points, classes, folds, seed=seed, on_epoch=str)[0] for seed in (3, 3, 4))

    pairs = zip(first.weights + first.biases, again.weights + again.biases, strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    assert not np.array_equal(first.weights[0], other.weights[0])


def test_the_arrays_are_those_of_the_network_in_keras() -> None:
    keras.utils.set_random_seed(0)
    network = build(5, np.array([10, 20, 30]))
    rows = np.random.default_rng(0).random((7, 5)).astype(np.float32)

    networks = networks_of(network)

    expected = np.asarray(network(rows))
    every = np.stack([networks.logits_of(number, rows) for number in range(FOLDS)], axis=1)
    # A product of 64 terms is rounded 64 times, each by at most 2**-24 of the sum of sizes.
    assert np.abs(every - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(networks.logits(rows) - expected.mean(axis=1)).max() < 1e-5 * np.abs(expected).max()


def test_the_first_answers_are_about_the_shares_of_the_classes() -> None:
    network = networks_of(build(5, np.array([1, 199])))

    assert np.exp(network.biases[-1]) == pytest.approx(np.tile([0.005, 0.995], (FOLDS, 1)))


def test_the_first_weights_have_the_variance_of_he_whatever_the_fan_in_of_three_axes_is_to_keras() -> None:
    network = build(50, np.array([20, 20, 20]))

    for weights, fan_in in zip(networks_of(network).weights, (50, 64, 64), strict=True):
        # of n numbers, the mean square has a standard error of less than √2/√n, five of which are allowed
        assert np.mean(weights**2) == pytest.approx(2 / fan_in, rel=5 * np.sqrt(2 / weights.size))


def test_each_row_is_judged_by_the_network_of_its_fold() -> None:
    nothing = np.zeros((FOLDS, 1, 1), np.float32)
    marks = np.arange(FOLDS, dtype=np.float32)[:, None]
    networks = Networks((nothing, nothing, nothing), (nothing[:, 0], nothing[:, 0], marks))
    folds = np.array([5, 0, 7, 7, 2])

    logits = networks.out_of_fold(np.ones((5, 1), np.float32), folds, np.array([4, 0, 2]))

    assert logits.tolist() == [[2.0], [5.0], [7.0]]


def test_only_the_judged_rows_are_judged() -> None:
    points, classes = rings(80)
    judged = np.arange(0, 80, 4)

    _, logits = fit_networks(points, classes, deal(classes, seed=0), seed=0, on_epoch=str, judged=judged)

    assert logits.shape == (20, 2)


def test_wide_rows_are_encoded_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    points, classes = rings(100)
    rows = Asked(points)
    monkeypatch.setattr("softmaxd_training.tables.ensemble.HELD", 2 * 48)

    networks, _ = fit_networks(rows, classes, deal(classes, seed=0), seed=0, on_epoch=str)

    assert rows.most == 48
    assert mean_loss(networks.logits(points).astype(np.float64), classes) < 0.6


def test_parts_are_whole_batches_and_have_all_places() -> None:
    places = np.arange(2**16)

    parts = list(parts_of(places, 1000, multiple=256))

    assert [len(part) % 256 for part in parts] == [0] * len(parts)
    assert np.array_equal(np.concatenate(parts), places)
    assert len(parts[0]) == 4_096  # 2**22 numbers are 4,194 rows, or 16 batches


@pytest.mark.parametrize(("rows", "batch"), [(10, 16), (1600, 100), (20_000, 256)])
def test_batches_follow_from_the_rows(rows: int, batch: int) -> None:
    assert batch_of(rows) == batch


@pytest.mark.parametrize(
    ("rows", "width", "classes", "epochs"),
    [
        (10, 10, 2, 60),
        (16_000, 182, 7, 56),
        (20_000, 480, 2, 20),
        (20_000, 64, 1000, 10),
        (100_000, 64, 2, 30),
        (1_000_000, 480, 2, 3),
        (5_000_000, 480, 2, 1),
    ],
)
def test_large_tables_have_fewer_epochs(rows: int, width: int, classes: int, epochs: int) -> None:
    assert most_epochs(rows, width, classes) == epochs


def test_the_progress_of_a_long_epoch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ensemble, "HELD", 2 * 100)  # numbers: 100 rows, of which the whole batches are 96
    points, classes = rings(250)
    told: list[str] = []

    fit_networks(points, classes, deal(classes, seed=0), seed=0, on_epoch=told.append)

    assert told[:2] == ["networks: epoch 1, 96 of 250 rows", "networks: epoch 1, 192 of 250 rows"]
    assert told[2].startswith("networks: epoch 1, out-of-fold loss ")
    assert told[3] == "networks: epoch 2, 96 of 250 rows"
