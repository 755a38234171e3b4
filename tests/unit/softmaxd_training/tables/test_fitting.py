"""All candidates are fitted to a table, and the best of them for rows left out is the table's model."""

import subprocess
import sys

import numpy as np
import pytest

from softmaxd.models.outputs import Array
from softmaxd_training.calibration import mean_loss
from softmaxd_training.rows import Classes
from softmaxd_training.tables.fitting import Fitted, fit
from softmaxd_training.tables.vocabulary import Texts

PACKAGE = "softmaxd_training.tables.fitting"
COLOURS = np.array(["red", "green", "blue", ""], object)
NAMES = ["networks", "trees", "linear", "networks and trees", "networks and linear", "trees and linear"]


def table(rows: int, labels: int = 2, seed: int = 0) -> tuple[Array, Texts, Classes]:
    """Return numbers [n, 2] of which a tenth is missing, texts [n, 1], and classes drawn by both."""
    chance = np.random.default_rng(seed)
    numbers = chance.normal(size=(rows, 2)).astype(np.float32)
    colours = chance.integers(0, 4, rows)
    logits = 2 * numbers[:, :1] * np.linspace(-1, 1, labels) + 2 * (colours[:, None] == np.arange(labels) % 4)
    classes = (logits + chance.gumbel(size=logits.shape)).argmax(axis=1)
    numbers[chance.random(numbers.shape) < 0.1] = np.nan
    return numbers, COLOURS[colours][:, None], classes


def silent(_line: str) -> None: ...


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(*table(600), seed=0, on_epoch=silent)


def test_every_candidate_is_compared_and_the_best_one_is_chosen(fitted: Fitted) -> None:
    assert [candidate.name for candidate in fitted.candidates] == [*NAMES, "networks, trees and linear"]
    assert fitted.chosen.loss == min(candidate.loss for candidate in fitted.candidates)
    assert fitted.notes == ()


def test_the_model_has_the_parts_of_the_chosen_one_and_no_others(fitted: Fitted) -> None:
    parts = {"networks": fitted.networks, "trees": fitted.trees, "linear": fitted.linear}

    assert {name for name, part in parts.items() if part is not None} == set(fitted.weights)
    assert all(name in fitted.chosen.name for name in fitted.weights)


def test_the_logits_out_of_fold_have_the_loss_of_the_chosen_one(fitted: Fitted) -> None:
    _, _, classes = table(600)

    assert fitted.judged.tolist() == list(range(600))
    assert mean_loss(fitted.out_of_fold, classes, fitted.temperature) == pytest.approx(fitted.chosen.loss)


def test_the_model_predicts_new_rows_about_as_well_as_rows_left_out(fitted: Fitted) -> None:
    numbers, texts, classes = table(4000, seed=1)
    shares = np.bincount(classes) / len(classes)

    loss = mean_loss(fitted.logits(numbers, texts), classes)

    assert loss == pytest.approx(fitted.chosen.loss, abs=0.06)
    assert loss < -(shares * np.log(shares)).sum() - 0.2


def test_the_same_seed_gives_the_same_model() -> None:
    rows = table(120)

    first, again = (fit(*rows, seed=5, on_epoch=silent) for _ in range(2))

    assert first.candidates == again.candidates
    assert np.array_equal(first.out_of_fold, again.out_of_fold)
    assert np.array_equal(first.logits(*rows[:2]), again.logits(*rows[:2]))


def test_labels_of_two_rows_are_fitted() -> None:
    numbers, texts, classes = table(200)
    classes[:2] = 2

    fitted = fit(numbers, texts, classes, seed=0, on_epoch=silent)

    assert fitted.out_of_fold.shape == (200, 3)
    assert np.isfinite(fitted.out_of_fold).all()


def test_texts_alone_and_numbers_alone_are_fitted() -> None:
    numbers, texts, classes = table(200)

    of_texts = fit(numbers[:, :0], texts, classes, seed=0, on_epoch=silent)
    of_numbers = fit(numbers, texts[:, :0], classes, seed=0, on_epoch=silent)

    assert of_texts.chosen.loss < 0.66  # ln 2 is 0.69
    assert of_numbers.chosen.loss < 0.66


def test_large_tables_are_fitted_and_judged_by_a_part_of_the_rows_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"KEPT": 1, "JUDGED_ROWS": 300, "TREE_ROWS": 200, "LINEAR_ROWS": 100}
    for name, limit in limits.items():
        monkeypatch.setattr(f"{PACKAGE}.{name}", limit)
    monkeypatch.setattr("softmaxd_training.tables.ensemble.MOST_VISITS", 2000)
    for module in (PACKAGE, "softmaxd_training.tables.vocabulary"):
        monkeypatch.setattr(f"{module}.MOST_CATEGORIES", 2)
    numbers, texts, classes = table(400)

    fitted = fit(numbers, texts, classes, seed=0, on_epoch=silent)

    assert fitted.notes == (
        "texts: the 2 most frequent are categories; 1 more count as unknown",
        "networks: at most 5 epochs instead of 60, as there are 400 rows, 38 encoded columns and 2 labels",
        "candidates: compared by 300 of 400 rows, drawn by the seed",
        "trees: fitted to 200 of 400 rows, drawn by the seed",
        "linear: fitted to 100 of 400 rows, drawn by the seed",
    )
    assert len(fitted.encoder.categories[0]) == 2
    assert len(fitted.judged) == len(fitted.out_of_fold) == 300
    losses = {candidate.name: candidate.loss for candidate in fitted.candidates}
    assert losses["trees"] < 0.66
    assert losses["linear"] < 0.66


GROWTH = """
import resource
from pathlib import Path
import numpy as np
from softmaxd_training.tables import ensemble, fitting

fitting.KEPT, fitting.JUDGED_ROWS, fitting.TREE_ROWS, fitting.LINEAR_ROWS = 0, 5_000, 5_000, 2_000
ensemble.HELD, ensemble.MOST_VISITS = 2**18, 1

def fit(rows):
    numbers = np.random.default_rng(0).integers(0, 2, (50, rows)).astype(np.float32).T
    classes = ((numbers[:, 0] > 0) ^ (np.arange(rows) % 10 == 0)).astype(np.int64)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = memory("VmRSS")
    fitting.fit(numbers, np.empty((rows, 0), object), classes, seed=0, on_epoch=lambda _: None)
    return numbers.nbytes, memory("VmHWM") - before

def memory(name):
    return next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").open() if line.startswith(name))

fit(6_000)
print(*fit(200_000))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_large_table_is_fitted_without_a_copy_of_its_rows() -> None:
    """The rest is 8 bytes a row for each of some arrays of places, the parts that are fitted at a time, and Keras."""
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)

    rows, growth = map(int, done.stdout.split())
    assert rows == 200_000 * 50 * 4
    assert growth < rows


def test_many_labels_are_left_to_the_networks() -> None:
    numbers, texts, classes = table(1200, labels=60)
    classes[:60], classes[60:120] = np.arange(60), np.arange(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{PACKAGE}.LINEAR_WORK", 10_000)
        fitted = fit(numbers, texts, classes, seed=0, on_epoch=silent)

    assert [candidate.name for candidate in fitted.candidates] == ["networks"]
    assert fitted.notes == (
        "trees: not tried, as there are 60 labels, more than 50",
        "linear: not tried, as 60 labels and 38 encoded columns are too many",
    )


def test_progress_is_told() -> None:
    told: list[str] = []

    fit(*table(100), seed=0, on_epoch=told.append)

    assert told[0].startswith("networks: epoch 1, ")
    assert told[-2:] == ["trees: 100 rows", "linear: 100 rows"]
