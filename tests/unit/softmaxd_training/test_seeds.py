from collections.abc import Callable

import keras
import pytest

from softmaxd.errors import Refused
from softmaxd_training import blobs
from softmaxd_training.seeds import Run, choose, fit_seeds, measure


def test_each_seed_is_trained_once_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    parts = blobs.make_data()

    def fit(*, seed: int, on_epoch: Callable[[], object]) -> Run:
        return blobs.fit(parts, epochs=1, seed=seed, on_epoch=on_epoch)

    checked: list[keras.Model] = []

    runs = fit_seeds(fit, [3, 5], epochs=1, check=checked.append)

    assert [run.seed for run in runs] == [3, 5]
    assert checked == [run.network for run in runs]
    error = capsys.readouterr().err
    for run in runs:
        assert f"seed {run.seed}: validation loss {run.validation_loss:.6f}\n" in error
        result = measure(run, parts.validation)
        assert (result.seed, result.validation_loss) == (run.seed, run.validation_loss)
        assert result.test_loss == pytest.approx(run.validation_loss, rel=1e-6)
        assert 0 <= result.test_accuracy <= 1


def test_the_lowest_validation_loss_is_chosen_whatever_the_seed() -> None:
    parts = blobs.make_data()
    runs = [blobs.fit(parts, epochs=epochs, seed=seed, on_epoch=lambda: None) for seed, epochs in ((7, 1), (4, 3))]

    best, results = choose(runs, parts.test, least_accuracy=0)

    assert best is min(runs, key=lambda run: run.validation_loss)
    assert [result.seed for result in results] == [7, 4]
    with pytest.raises(Refused, match=r"the accuracy on the test rows, .*, is below 101%"):
        choose(runs, parts.test, least_accuracy=1.01)


def test_a_network_that_fails_its_check_ends_the_training_at_once() -> None:
    parts, trained = blobs.make_data(), []

    def fit(*, seed: int, on_epoch: Callable[[], object]) -> Run:
        trained.append(seed)
        return blobs.fit(parts, epochs=1, seed=seed, on_epoch=on_epoch)

    def check(network: keras.Model) -> None:
        raise Refused(f"{network.name} differs")

    with pytest.raises(Refused, match=r"^blobs differs$"):
        fit_seeds(fit, [3, 5], epochs=1, check=check)

    assert trained == [3]
