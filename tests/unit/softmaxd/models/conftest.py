"""Fixtures of the unit tests of models."""

from collections.abc import Callable

import onnxruntime
import pytest

from softmaxd.models.session import CPU, CUDA


@pytest.fixture
def cuda_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime as it is when it was built with CUDA and the libraries are missing: it quietly takes the CPU."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    quiet: Callable[..., onnxruntime.InferenceSession] = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda path, options, providers, **rest: quiet(path, options, providers=[CPU], **rest),
    )
