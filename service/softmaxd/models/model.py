"""A loaded model: its manifest and its batcher."""

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

    __slots__ = ("_run", "batcher", "is_rowwise", "key", "load_seconds", "manifest", "provider")

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

    def run(self, features: Features) -> Outputs:
        """Return the outputs for these rows alone, computed now. Raises `CannotRun`."""
        return run_together(self._run, [features])[0]
