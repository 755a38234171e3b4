"""Several trainings of one network, which differ only in their seed."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import keras
from tqdm import tqdm

from softmaxd.errors import Refused
from softmaxd.models.manifest import SeedResult
from softmaxd_training import networks
from softmaxd_training.networks import History
from softmaxd_training.rows import Rows


@dataclass(frozen=True, slots=True)
class Run:
    """A network that was trained from its own seed, and its loss on the validation rows in nats."""

    seed: int
    network: keras.Model
    history: History
    validation_loss: float


class Fit(Protocol):
    """A function that trains one network; `on_epoch` is called after each epoch."""

    def __call__(self, *, seed: int, on_epoch: Callable[[], object]) -> Run: ...


def fit_seeds(fit: Fit, seeds: Sequence[int], *, epochs: int, check: Callable[[keras.Model], object]) -> list[Run]:
    """Train one network for each seed, with a line for each and, on a terminal, progress bars.

    Each network is checked before the next is trained, so that a machine on which none can be exported says so early.
    """
    runs = []
    for seed in tqdm(seeds, desc="seeds", unit="seed", disable=None):
        with tqdm(total=epochs, desc=f"seed {seed}", unit="epoch", leave=False, disable=None) as bar:
            run = fit(seed=seed, on_epoch=bar.update)
        check(run.network)
        tqdm.write(f"seed {seed}: validation loss {run.validation_loss:.6f}", file=sys.stderr)
        runs.append(run)
    return runs


def choose(runs: Sequence[Run], test: Rows, *, least_accuracy: float) -> tuple[Run, tuple[SeedResult, ...]]:
    """Return the run with the lowest validation loss, and the results of all on the test rows.

    Raises `Refused` if the accuracy of the chosen one is too low.
    """
    best = min(range(len(runs)), key=lambda index: runs[index].validation_loss)

    # The choice is made. The test rows are used only now, once for each seed and before calibration.
    results = tuple(measure(run, test) for run in runs)
    accuracy = results[best].test_accuracy
    if accuracy < least_accuracy:
        raise Refused(f"the accuracy on the test rows, {accuracy:.1%}, is below {least_accuracy:.0%}")
    return runs[best], results


def measure(run: Run, test: Rows) -> SeedResult:
    """Return the losses in nats and the accuracy of one seed, before calibration."""
    return SeedResult(
        seed=run.seed,
        validation_loss=run.validation_loss,
        test_loss=networks.loss_of(run.network, test),
        test_accuracy=networks.accuracy_of(run.network, test),
    )
