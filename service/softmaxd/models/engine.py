"""Runs an ONNX file."""

from collections.abc import Mapping
from pathlib import Path
from threading import get_ident

from softmaxd.models.devices import Device, open_session
from softmaxd.models.outputs import Array, Features
from softmaxd.models.pinned import quickest_run
from softmaxd.models.session import RunOptions, provider_of
from softmaxd.models.together import RunStopped

Nodes = Mapping[str, tuple[str, list[int | str | None]]]  # type and shape by name


class Engine:
    """An ONNX Runtime session: features in, [n, …] of the type of each input; every output out, n rows each."""

    def __init__(self, model: Path | bytes, *, device: Device = "auto", threads: int = 1) -> None:
        self._session, self.threads = open_session(model, device, threads), threads
        self._input_name = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]
        self._options: dict[int, RunOptions] = {}  # by thread
        self.provider = provider_of(self._session)
        self._run = quickest_run(self._session, self.provider)

    @property
    def inputs(self) -> Nodes:
        """Type and shape of each input of the graph, by name."""
        return {node.name: (node.type, node.shape) for node in self._session.get_inputs()}

    @property
    def outputs(self) -> Nodes:
        """Type and shape of each output of the graph, by name."""
        return {node.name: (node.type, node.shape) for node in self._session.get_outputs()}

    def run(self, features: Features) -> dict[str, Array]:
        """Return all outputs of the graph by name, for features of its only input. Fails as `run_inputs` does."""
        return self.run_inputs({self._input_name: features})

    def run_inputs(self, features: Mapping[str, Features]) -> dict[str, Array]:
        """Return all outputs of the graph by name, for features by the name of their input.

        Any failure of ONNX Runtime passes through. Raises `RunStopped`.
        """
        thread = get_ident()
        options = self._options.get(thread) or self._options_of(thread)
        try:
            outputs = self._run(self._names, features, options)
        except Exception:
            if options.terminate:
                options.terminate = False
                raise RunStopped from None
            raise
        return dict(zip(self._names, outputs, strict=True))

    def stop(self, thread: int) -> None:
        """Let the run in this thread end by `RunStopped` as soon as its kernel is done; without one, the next run."""
        self._options_of(thread).terminate = True

    def _options_of(self, thread: int) -> RunOptions:
        return self._options.setdefault(thread, RunOptions())
