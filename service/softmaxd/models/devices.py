"""Chooses the processor that runs the models: CUDA if it works here, else the CPU. Says why CUDA does not."""

import ctypes
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from softmaxd.errors import ModelError, StartupError
from softmaxd.models.session import CPU, CUDA, LIBRARIES, Session, load_libraries, new_session, provider_of, providers

Device = Literal["auto", "cpu", "cuda"]

BUILT_WITHOUT = "ONNX Runtime is built without CUDA here: docs/gpu.md has the build with it"
DRIVER = "libcuda.so.1"
RUNTIME = "libcudart.so.13"  # of the CUDA for which ONNX Runtime is built
PROBE = (  # an ONNX file: y = x · x of 1 × 1 matrices
    b'\x08\x08:@\n\x11\n\x01x\n\x01x\x12\x01y"\x06MatMul\x12\x01gZ\x13\n\x01x\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01'
    b"\n\x02\x08\x01b\x13\n\x01y\x12\x0e\n\x0c\x08\x01\x12\x08\n\x02\x08\x01\n\x02\x08\x01B\x04\n\x00\x10\r"
)

logger = logging.getLogger(__name__)


class DeviceError(ModelError):
    """The device in the settings does not work."""


def check_device(device: Device) -> None:
    """Raise `StartupError` if the device does not work here."""
    try:
        names_of(device)
    except DeviceError as error:
        raise StartupError(str(error)) from error


def open_session(model: Path | bytes, device: Device, threads: int) -> Session:
    """Return a session of ONNX Runtime. Raises `ModelError` or `DeviceError`."""
    return new_session(model, names_of(device), threads)


def names_of(device: Device) -> Sequence[str]:
    """Return the providers for a device, the preferred one first. Raises `DeviceError`."""
    if device == "cpu":
        return [CPU]
    why = why_not_cuda()
    if why is None:
        return [CUDA, CPU]
    if device == "cuda":
        raise DeviceError(f"device is cuda, but {why}; use auto or cpu")
    _tell(why)
    return [CPU]


@cache
def why_not_cuda() -> str | None:
    """Return a reason why CUDA does not work in this process, or None."""
    if CUDA not in providers():
        return BUILT_WITHOUT
    load_libraries()
    return missing_library(LIBRARIES) or missing_gpu(RUNTIME) or failure_of([CUDA, CPU])


@cache  # a line in each process is enough
def _tell(why: str) -> None:
    """Log why `auto` takes the CPU, unless ONNX Runtime has nothing else."""
    if why != BUILT_WITHOUT:
        logger.warning("models run on the CPU: %s", why)


def missing_library(folder: Path) -> str | None:
    """Return why the library of the provider in a folder cannot be loaded, or None."""
    try:
        ctypes.CDLL(str(folder / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        reason = str(error).replace(f"{folder}/", "")
        return f"there is no driver of NVIDIA: {reason}" if DRIVER in reason else f"CUDA is incomplete: {reason}"
    return None


def missing_gpu(library: str) -> str | None:
    """Return why the runtime of CUDA finds no GPU, or None."""
    try:
        runtime: Any = ctypes.CDLL(library)
    except OSError as error:
        return f"CUDA is incomplete: {error}"
    count = ctypes.c_int(0)
    code = runtime.cudaGetDeviceCount(ctypes.byref(count))
    runtime.cudaGetErrorString.restype = ctypes.c_char_p
    if code:
        return f"the driver of NVIDIA has no GPU for us: {runtime.cudaGetErrorString(code).decode()}"
    return None if count.value else "the driver of NVIDIA has no GPU for us"


def failure_of(names: Sequence[str]) -> str | None:
    """Return why a small product cannot be run by the first of these providers, or None."""
    try:
        session = new_session(PROBE, names, 1)
        if (found := provider_of(session)) != names[0]:
            return f"ONNX Runtime takes {found} instead"
        session.run(None, {"x": np.ones((1, 1), np.float32)})
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        return f"ONNX Runtime cannot use it: {(str(error).strip().splitlines() or [type(error).__name__])[0]}"
    return None
