"""The provenance of a model: its command, data, seeds and packages, enough to train it again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from softmaxd.models.manifest import Provenance, SeedResult

PACKAGES = ("keras", "numpy", "onnx", "onnxruntime", "pyarrow", "scikit-learn", "scipy", "tensorflow", "tf2onnx")


def provenance_of(
    rows: Mapping[str, int],
    results: tuple[SeedResult, ...],
    *,
    command: str,
    seed: int,
    data_seed: int,
    data_sha256: str,
) -> Provenance:
    """Return the provenance of a model that is made now, with the installed versions of the packages.

    `rows` is the number of rows by part of the data, `results` are those of every seed that was trained, `seed` is the
    chosen one, `data_seed` that of the rows.
    """
    return Provenance(
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=seed,
        data_seed=data_seed,
        data_sha256=data_sha256,
        rows=rows,
        seeds=results,
        packages={name: version(name) for name in PACKAGES},
    )
