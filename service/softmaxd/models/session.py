"""Opens an ONNX file on a device: the only module that imports onnxruntime."""

import logging
from pathlib import Path
from typing import Literal

import onnxruntime

from softmaxd.errors import ModelError, StartupError
from softmaxd.models.memory import return_freed_memory

Device = Literal["auto", "cpu", "cuda"]
RunOptions = onnxruntime.RunOptions

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
RUNTIME_VERSION: str = onnxruntime.__version__

NO_CUDA = "device is cuda, but ONNX Runtime has no working CUDA here; use auto or cpu"

LEVELS = (logging.DEBUG, logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL)  # by severity there
WARNING, FATAL = 2, 4

logger = logging.getLogger("onnxruntime")


def _log(severity: int, _category: str, _session: str, place: str, message: str) -> None:
    logger.log(LEVELS[severity], "%s (%s)", message.strip(), place)


onnxruntime.set_default_logger_callback(_log, WARNING)  # or it writes to standard error itself, in a form of its own


class DeviceError(ModelError):
    """The device in the settings does not work."""


def providers() -> list[str]:
    """Return the names of the processors for which ONNX Runtime is built."""
    found: list[str] = onnxruntime.get_available_providers()
    return found


def check_device(device: Device) -> None:
    """Raise `StartupError` if ONNX Runtime is built without the device."""
    if device == "cuda" and CUDA not in providers():
        raise StartupError(NO_CUDA)


def open_session(model: Path | bytes, device: Device, threads: int) -> onnxruntime.InferenceSession:
    """Return a session of ONNX Runtime. Raises `ModelError` or `DeviceError`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # batch sizes vary, and a pattern for each size would only take memory
    options.log_severity_level = FATAL  # failures reach us as exceptions, and its lines may have values of a request
    if device != "cpu" and CUDA in providers():
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
        session = onnxruntime.InferenceSession(source, options, providers=providers, enable_fallback=0)
        return_freed_memory()
        return session
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        reason = str(error).splitlines()[0]
        if isinstance(model, Path):
            reason = reason.replace(str(model), model.name)
        raise ModelError(f"ONNX Runtime cannot load it: {reason}") from error
