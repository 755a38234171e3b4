"""Runs a session through pinned memory, which a GPU reads and writes by itself, from as many rows as that is faster.

A copy between ordinary memory and a GPU goes through a small buffer of the driver, piece by piece. Pinned memory needs
one more copy by the processor, and then the GPU fetches it at the full speed of its bus. Which of the two is faster
depends on the machine and the model, so it is measured when the model is loaded.
"""

import ctypes
import logging
import math
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.models.devices import RUNTIME
from softmaxd.models.outputs import Features
from softmaxd.models.session import CPU, RunOptions, Session

BUFFER_BYTES = 16 * 2**20  # for each direction and thread; larger runs take ordinary memory
TRIED_ROWS = (8192, 1024, 128, 16, 1)
REPEATS = 5
ALIGNMENT = 64  # bytes
NEVER = 2**62  # rows
DTYPES = {
    f"tensor({name})": np.dtype(dtype)
    for name, dtype in (
        *(("float", "f4"), ("double", "f8"), ("bool", "?")),
        *(
            (f"{sign}int{bits}", f"{kind}{bits // 8}")
            for sign, kind in (("", "i"), ("u", "u"))
            for bits in (8, 16, 32, 64)
        ),
    )
}

Buffer = npt.NDArray[np.uint8]
Form = tuple[np.dtype[Any], tuple[int, ...]]
Run = Callable[[Sequence[str], Mapping[str, Features], RunOptions | None], Sequence[Any]]

logger = logging.getLogger(__name__)


def quickest_run(session: Session, provider: str) -> Run:
    """Return the `run` of a session, on a GPU through pinned memory from as many rows as that is faster."""
    if provider == CPU or not is_fixed(session):
        return session.run  # type: ignore[no-any-return]
    return measured(session, pinned_memory)


def is_fixed(session: Session) -> bool:
    """Return True if only the number of rows is open in the shapes of a session, and it takes and gives numbers."""
    nodes = [*session.get_inputs(), *session.get_outputs()]
    return all(node.type in DTYPES and all(isinstance(side, int) for side in node.shape[1:]) for node in nodes)


def measured(session: Session, allocate: Callable[[int], Buffer]) -> Run:
    """Return a run that takes pinned memory from as many rows as that is faster, tried with zeros."""
    pinned = Pinned(session, allocate)

    def seconds(run: Run, rows: int) -> float:
        features = {node.name: np.zeros((rows, *node.shape[1:]), DTYPES[node.type]) for node in session.get_inputs()}
        start = time.perf_counter()
        run(pinned.names, features, None)
        return time.perf_counter() - start

    tried = [rows for rows in TRIED_ROWS if pinned.fits(rows)]
    pinned.least_rows = least_rows(
        tried, lambda rows: seconds(session.run, rows), lambda rows: seconds(pinned.run, rows)
    )
    logger.debug("pinned memory is faster from %d rows on", pinned.least_rows)
    return session.run if pinned.least_rows == NEVER else pinned.run


def least_rows(tried: Iterable[int], plain: Callable[[int], float], pinned: Callable[[int], float]) -> int:
    """Return the fewest rows from which on pinned memory takes fewer seconds; the most rows are tried first."""
    least = NEVER
    for rows in tried:
        try:
            best = [min(run(rows) for _ in range(REPEATS)) for run in (plain, pinned)]
        except Exception:  # a model may refuse zeros, or so many rows of them
            return least
        if best[1] >= best[0]:
            return least
        least = rows
    return least


class Pinned:
    """A session with a buffer for the inputs and one for the outputs of each thread that runs it."""

    def __init__(self, session: Session, allocate: Callable[[int], Buffer]) -> None:
        self.names = [node.name for node in session.get_outputs()]
        self.least_rows = 0
        self._session = session
        self._allocate = allocate
        self._inputs, self._outputs = (
            [(DTYPES[node.type], tuple(node.shape[1:])) for node in nodes]
            for nodes in (session.get_inputs(), session.get_outputs())
        )
        self._buffers: dict[int, tuple[Buffer, Buffer]] = {}

    def fits(self, rows: int) -> bool:
        """Return True if so many rows have room in the buffers."""
        return max(_size(_of(rows, self._inputs)), _size(_of(rows, self._outputs))) <= BUFFER_BYTES

    def run(self, names: Sequence[str], features: Mapping[str, Features], options: RunOptions | None) -> Sequence[Any]:
        """Return the outputs, which are all of them, for features by input. Failures of ONNX Runtime pass through."""
        rows = len(next(iter(features.values())))
        if rows < self.least_rows or not self.fits(rows):
            return self._session.run(names, features, options)  # type: ignore[no-any-return]
        into, out_of = self._buffers.get(get_ident()) or self._new_buffers()
        binding = self._session.io_binding()
        forms = [(values.dtype, values.shape) for values in features.values()]
        for name, place in zip(features, _places(into, forms), strict=True):
            place[...] = features[name]
            binding.bind_cpu_input(name, place)
        outputs = _places(out_of, _of(rows, self._outputs))
        for name, place in zip(names, outputs, strict=True):
            binding.bind_output(name, "cpu", 0, place.dtype.type, place.shape, place.ctypes.data)
        self._session.run_with_iobinding(binding, options)
        return [place.copy() for place in outputs]

    def _new_buffers(self) -> tuple[Buffer, Buffer]:
        return self._buffers.setdefault(get_ident(), (self._allocate(BUFFER_BYTES), self._allocate(BUFFER_BYTES)))


def _of(rows: int, forms: Iterable[Form]) -> Iterable[Form]:
    return ((dtype, (rows, *shape)) for dtype, shape in forms)


def _padded(form: Form) -> int:
    size = form[0].itemsize * math.prod(form[1])
    return size + -size % ALIGNMENT


def _size(forms: Iterable[Form]) -> int:
    return sum(map(_padded, forms))


def _places(buffer: Buffer, forms: Iterable[Form]) -> list[Features]:
    """Return arrays of these forms in a buffer, one after the other."""
    places, start = [], 0
    for dtype, shape in forms:
        stop = start + dtype.itemsize * math.prod(shape)
        places.append(buffer[start:stop].view(dtype).reshape(shape))
        start += _padded((dtype, shape))
    return places


def pinned_memory(size: int) -> Buffer:  # pragma: no cover - needs a GPU
    """Return so many bytes of pinned memory. Raises `MemoryError`."""
    runtime = ctypes.CDLL(RUNTIME)
    address = ctypes.c_void_p()
    if runtime.cudaMallocHost(ctypes.byref(address), ctypes.c_size_t(size)) or address.value is None:
        raise MemoryError(f"there are no {size} bytes of pinned memory")
    memory = (ctypes.c_uint8 * size).from_address(address.value)
    weakref.finalize(memory, runtime.cudaFreeHost, address)
    return np.frombuffer(memoryview(memory), np.uint8)
