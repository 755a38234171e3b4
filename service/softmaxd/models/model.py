"""A loaded model: its manifest and its batcher."""

from softmaxd.models.batching import Batcher
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features, Outputs
from softmaxd.models.together import Run, run_together


class Model:
    """One version of a model, ready to answer.

    `manifest` says which features [n, features] it takes and which outputs it gives. `batcher` joins the rows of
    concurrent requests. `provider` is ONNX Runtime's name of the processor. Equal only to itself.
    """

    __slots__ = ("_run", "batcher", "manifest", "provider")

    def __init__(self, manifest: Manifest, provider: str, run: Run, batcher: Batcher) -> None:
        self.manifest = manifest
        self.provider = provider
        self.batcher = batcher
        self._run = run

    def run(self, features: Features) -> Outputs:
        """Return the outputs for these rows alone, computed now. Raises `CannotRun`."""
        return run_together(self._run, [features])[0]
