"""The provenance of a model names its rows, its seeds, the packages and the time."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version

import numpy as np

from softmaxd.models.manifest import SeedResult
from softmaxd_training.provenance import PACKAGES, provenance_of
from softmaxd_training.rows import Parts, Rows


def test_it_has_the_rows_the_seeds_the_packages_and_the_time() -> None:
    parts = Parts(*(Rows(np.zeros((count, 2), np.float32), np.zeros(count, np.int64)) for count in (4, 3, 2, 1)))
    result = SeedResult(seed=5, validation_loss=0.1, test_loss=0.2, test_accuracy=1.0)

    made = provenance_of(parts.counts(), (result,), command="train", seed=5, data_seed=7, data_sha256="ab")

    assert (made.command, made.seed, made.data_seed, made.data_sha256, made.seeds) == ("train", 5, 7, "ab", (result,))
    assert made.rows == {"train": 4, "validation": 3, "calibration": 2, "test": 1}
    assert made.packages == {name: version(name) for name in PACKAGES}
    created = datetime.fromisoformat(made.created)
    assert created.tzinfo == UTC
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
