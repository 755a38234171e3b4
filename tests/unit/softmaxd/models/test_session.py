from pathlib import Path

import pytest

from softmaxd.errors import ModelError
from softmaxd.models.session import CPU, DeviceError, open_session
from tests.support.onnx_models import linear


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear().SerializeToString())
    return path


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_auto_takes_the_cpu_where_cuda_does_not_work(model: Path) -> None:
    assert open_session(model, "auto", 1).get_providers()[0] == CPU


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_cuda_is_refused_where_it_does_not_work(model: Path) -> None:
    with pytest.raises(DeviceError, match="no working CUDA"):
        open_session(model, "cuda", 1)


def test_a_message_of_onnx_runtime_has_no_path(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")

    with pytest.raises(ModelError, match=r"Load model from model\.onnx failed"):
        open_session(path, "cpu", 1)
