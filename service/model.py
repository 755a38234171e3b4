"""The vocabulary that training and service share: what a model is and what its manifest says."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt

Array = npt.NDArray[np.float32]
Outputs = Mapping[str, Array]  # by output name, each [rows, classes]
Settle = Callable[[Outputs | Exception], None]  # hears of an outcome

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^:\x00-\x1f\x7f]+$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Feature(_Frozen):
    """One column of the input, with the range that it had in the training rows."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None


class SeedResult(_Frozen):
    """What one training run with its own seed reached (losses in nats)."""

    seed: int
    validation_loss: FiniteFloat
    test_loss: FiniteFloat
    test_accuracy: FiniteFloat


class Provenance(_Frozen):
    """Where a model comes from: enough to train it again."""

    command: str
    created: Annotated[str, Field(description="UTC, ISO 8601")]
    seed: int
    data_seed: int
    data_sha256: str
    rows: Annotated[Mapping[str, PositiveInt], Field(description="Number of rows by part of the data")]
    seeds: tuple[SeedResult, ...]
    packages: Annotated[Mapping[str, str], Field(description="Version by package name")]


class Manifest(_Frozen):
    """What a version folder says of its model; written by training, checked before the model is served."""

    schema_version: Literal[1] = 1
    name: Name
    version: PositiveInt
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description=f"of {MODEL_FILE}")]
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    features: Annotated[tuple[Feature, ...], Field(min_length=1)]
    metrics: Mapping[str, FiniteFloat] = {}
    provenance: Provenance | None = None


class Waiting(Protocol):
    """Rows that wait for the engine; once abandoned, their outcome is not wanted any more."""

    abandoned: bool


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model: float32 features [n, features] in, outputs of n rows each out.

    `predict` and `submit` join the rows of concurrent requests; `run` runs these rows now and by themselves.
    """

    manifest: Manifest
    provider: str
    run: Callable[[Array], Outputs]
    predict: Callable[[Array], Awaitable[Outputs]]
    submit: Callable[[Array, Settle], Waiting]


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
