"""Runs an ONNX file: the only module that imports onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from threading import get_ident
from typing import Literal

import onnxruntime

from softmaxd.errors import ModelError, StartupError
from softmaxd.models.outputs import Array, Features
from softmaxd.models.together import RunStopped

Device = Literal["auto", "cpu", "cuda"]
Nodes = Mapping[str, tuple[str, list[int | str | None]]]  # type and shape by name

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


NO_CUDA = "device is cuda, but ONNX Runtime has no working CUDA here; use auto or cpu"


class DeviceError(ModelError):
    """The device in the settings does not work."""


def check_device(device: Device) -> None:
    """Raise `StartupError` if ONNX Runtime is built without the device."""
    if device == "cuda" and CUDA not in onnxruntime.get_available_providers():
        raise StartupError(NO_CUDA)


class Engine:
    """An ONNX Runtime session: features [n, d] in, of the type of its input; every output out, n rows each."""

    def __init__(self, model: Path | bytes, *, device: Device = "auto", threads: int = 1) -> None:
        self._session = _open_session(model, device, threads)
        if not self._session.get_inputs():
            raise ModelError("the graph has no input")
        self._input_name = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]
        self._options: dict[int, onnxruntime.RunOptions] = {}  # by thread
        self.provider: str = self._session.get_providers()[0]

    @property
    def inputs(self) -> Nodes:
        """Type and shape of each input of the graph, by name."""
        return {node.name: (node.type, node.shape) for node in self._session.get_inputs()}

    @property
    def outputs(self) -> Nodes:
        """Type and shape of each output of the graph, by name."""
        return {node.name: (node.type, node.shape) for node in self._session.get_outputs()}

    def run(self, features: Features) -> dict[str, Array]:
        """Return all outputs of the graph by name; any failure of ONNX Runtime passes through. Raises `RunStopped`."""
        thread = get_ident()
        options = self._options.get(thread) or self._options_of(thread)
        try:
            outputs = self._session.run(self._names, {self._input_name: features}, options)
        except Exception:
            if options.terminate:
                options.terminate = False
                raise RunStopped from None
            raise
        return dict(zip(self._names, outputs, strict=True))

    def stop(self, thread: int) -> None:
        """Let the run in this thread end by `RunStopped` as soon as its kernel is done; without one, the next run."""
        self._options_of(thread).terminate = True

    def _options_of(self, thread: int) -> onnxruntime.RunOptions:
        return self._options.setdefault(thread, onnxruntime.RunOptions())


def _open_session(model: Path | bytes, device: Device, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # batch sizes vary, and a pattern for each size would only take memory
    options.log_severity_level = 4  # failures reach us as exceptions; warnings would garble the log lines
    if device != "cpu" and CUDA in onnxruntime.get_available_providers():
        session = _new_session(model, options, [CUDA, CPU])
        if session.get_providers()[0] == CUDA:
            return session  # pragma: no cover - needs a GPU
    if device == "cuda":
        raise DeviceError(NO_CUDA)
    return _new_session(model, options, [CPU])


def _new_session(
    model: Path | bytes, options: onnxruntime.SessionOptions, providers: list[str]
) -> onnxruntime.InferenceSession:
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        reason = str(error).splitlines()[0]
        if isinstance(model, Path):
            reason = reason.replace(str(model), model.name)
        raise ModelError(f"ONNX Runtime cannot load it: {reason}") from error
