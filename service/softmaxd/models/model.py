"""A loaded model: its manifest and its batcher."""

import copy
from typing import Protocol, Self

from softmaxd.models.batching import Batcher
from softmaxd.models.manifest import Key, Manifest
from softmaxd.models.outputs import Features, Outputs
from softmaxd.models.together import Run, run_together


class Model:
    """One version of a model, ready to answer.

    `manifest` says which features [n, features] it takes and which outputs it gives. `batcher` joins the rows of
    concurrent requests. `provider` is ONNX Runtime's name of the processor. `is_rowwise` is True if the answer to a row
    does not depend on the rows beside it, to the last bit. `load_seconds` is the time that loading took. `key` is its
    name and version. Equal only to itself.
    """

    __slots__ = ("__weakref__", "_run", "batcher", "is_rowwise", "key", "load_seconds", "manifest", "provider")

    def __init__(
        self, manifest: Manifest, provider: str, run: Run, batcher: Batcher, *, is_rowwise: bool = True
    ) -> None:
        self.manifest = manifest
        self.key: Key = (manifest.name, manifest.version)
        self.provider = provider
        self.batcher = batcher
        self.is_rowwise = is_rowwise
        self.load_seconds = 0.0
        self._run = run

    def with_batcher(self, batcher: Batcher) -> Self:
        """Return the same version with another batcher."""
        other = copy.copy(self)
        other.batcher = batcher
        return other

    def run(self, features: Features) -> Outputs:
        """Return the outputs for these rows alone, computed now. Raises `CannotRun`."""
        return run_together(self._run, [features])[0]


class Find(Protocol):
    """Finds the version that answers a request to a name and a version, if its path has them."""

    def __call__(self, name: str | None, version: str | None, request_id: bytes = b"", /) -> Model | None: ...
