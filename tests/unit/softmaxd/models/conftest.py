"""Fixtures of the unit tests of models."""

from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest

from softmaxd.models import devices, engine, pinned
from softmaxd.models.session import CPU, CUDA


@pytest.fixture
def cuda_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """ONNX Runtime as it is when it was built with CUDA and its provider cannot be loaded."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    for cached in (devices.why_not_cuda, devices._tell):
        cached.cache_clear()
    yield
    devices.why_not_cuda.cache_clear()


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that take the CPU for a GPU: ordinary memory is their pinned memory."""
    monkeypatch.setattr(engine, "provider_of", lambda _session: CUDA)
    monkeypatch.setattr(pinned, "pinned_memory", lambda size: np.empty(size, np.uint8))
