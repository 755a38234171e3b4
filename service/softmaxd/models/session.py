"""Opens an ONNX file with some providers: the only module that imports onnxruntime."""

import logging
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from threading import get_native_id
from typing import Any, TypeAlias

import onnxruntime

from softmaxd.errors import ModelError
from softmaxd.models.aside import start
from softmaxd.models.memory import return_freed_memory
from softmaxd.models.priorities import lower_priority, steps_for

RunOptions = onnxruntime.RunOptions
Session: TypeAlias = onnxruntime.InferenceSession

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
RUNTIME_VERSION: str = onnxruntime.__version__
LIBRARIES = Path(onnxruntime.__file__).parent / "capi"  # of ONNX Runtime, one for each provider

LEVELS = (logging.DEBUG, logging.DEBUG, logging.WARNING, logging.ERROR, logging.CRITICAL)  # by severity there
WARNING, FATAL = 2, 4

OPTIONS: dict[str, dict[str, str]] = {
    CUDA: {
        "use_tf32": "0",  # products of TensorFloat-32 have 3 digits, and other labels than on the CPU
        "cudnn_conv_algo_search": "HEURISTIC",  # the default tries every algorithm again for each number of rows
        "arena_extend_strategy": "kSameAsRequested",  # the default doubles the memory that it holds
    }
}

logger = logging.getLogger("onnxruntime")


def _log(severity: int, _category: str, _session: str, place: str, message: str) -> None:
    logger.log(LEVELS[severity], "%s (%s)", message.strip(), place)


# By default, ONNX Runtime writes to standard error itself, in a form of its own.
if hasattr(onnxruntime, "set_default_logger_callback"):
    onnxruntime.set_default_logger_callback(_log, WARNING)
else:  # pragma: no cover - the build for GPUs is one release behind
    onnxruntime.set_default_logger_severity(FATAL)


def providers() -> list[str]:
    """Return the names of the processors for which ONNX Runtime is built."""
    found: list[str] = onnxruntime.get_available_providers()
    return found


def load_libraries() -> None:
    """Load the libraries of CUDA that are installed as Python packages, where the dynamic linker does not look."""
    with redirect_stdout(StringIO()):  # which ones are missing
        onnxruntime.preload_dlls(directory="")


def new_session(model: Path | bytes, names: Sequence[str], threads: int) -> Session:
    """Return a session of ONNX Runtime with these providers. Raises `ModelError`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads that wait would take a core
    options.enable_mem_pattern = False  # batch sizes vary, and a pattern for each size would only take memory
    options.log_severity_level = FATAL  # failures reach us as exceptions, and its lines may have values of a request
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")  # for `provider_of`
    chosen: list[Any] = [(name, OPTIONS.get(name, {})) for name in names]
    source = model if isinstance(model, bytes) else str(model)
    opened: Callable[[], Session] = partial(Session, source, options, providers=chosen, enable_fallback=0)
    if threads > 1:
        opened = start(partial(_with_lower_priority, steps_for(threads), opened)).result
    try:
        session = opened()
    except Exception as error:  # ONNX Runtime raises about ten unrelated classes here
        reason = str(error).splitlines()[0]
        if isinstance(model, Path):
            reason = reason.replace(str(model), model.name)
        raise ModelError(f"ONNX Runtime cannot load it: {reason}") from error
    return_freed_memory()
    if not session.get_inputs():
        raise ModelError("the graph has no input")
    return session


def _with_lower_priority(steps: int, opened: Callable[[], Session]) -> Session:
    """Return the session. The threads of its pool inherit the priority of this thread, which ends now."""
    lower_priority(get_native_id(), steps)
    return opened()


def provider_of(session: Session) -> str:
    """Return the provider that runs the graph: CUDA if it runs any node, else the CPU, which can run all of them."""
    used = {part.ep_name for part in session.get_provider_graph_assignment_info()}
    return CUDA if CUDA in used else CPU
