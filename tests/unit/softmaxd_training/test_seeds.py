from collections.abc import Callable

import pytest

from softmaxd_training import blobs
from softmaxd_training.seeds import Run, fit_seeds, measure


def test_each_seed_is_trained_once_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    parts = blobs.make_data()

    def fit(*, seed: int, on_epoch: Callable[[], object]) -> Run:
        return blobs.fit(parts, epochs=1, seed=seed, on_epoch=on_epoch)

    runs = fit_seeds(fit, [3, 5], epochs=1)

    assert [run.seed for run in runs] == [3, 5]
    error = capsys.readouterr().err
    for run in runs:
        assert f"seed {run.seed}: validation loss {run.validation_loss:.6f}\n" in error
        result = measure(run, parts.validation)
        assert (result.seed, result.validation_loss) == (run.seed, run.validation_loss)
        assert result.test_loss == pytest.approx(run.validation_loss, rel=1e-6)
        assert 0 <= result.test_accuracy <= 1
