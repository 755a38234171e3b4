import threading
from pathlib import Path

import numpy as np
import pytest

from softmaxd.errors import ModelError
from softmaxd.models.engine import CPU, DeviceError, Engine
from softmaxd.models.together import RunStopped
from tests.support.onnx_models import linear, looping


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear().SerializeToString())
    return path


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_auto_takes_the_cpu_where_cuda_does_not_work(model: Path) -> None:
    assert Engine(model, device="auto").provider == CPU


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_cuda_is_refused_where_it_does_not_work(model: Path) -> None:
    with pytest.raises(DeviceError, match="no working CUDA"):
        Engine(model, device="cuda")


def test_a_message_of_onnx_runtime_has_no_path(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")

    with pytest.raises(ModelError, match=r"Load model from model\.onnx failed"):
        Engine(path)


def test_a_run_is_stopped_from_another_thread_and_the_next_one_goes_on() -> None:
    engine = Engine(looping().SerializeToString(), device="cpu")
    short, endless = (np.array([[turns, 1]], np.float32) for turns in (2, 3e9))
    expected = engine.run(short)["logits"].tobytes()
    timer = threading.Timer(0.1, engine.stop, [threading.get_ident()])
    timer.start()

    with pytest.raises(RunStopped):
        engine.run(endless)

    assert engine.run(short)["logits"].tobytes() == expected


def test_a_stop_without_a_run_hits_the_next_one_of_its_thread_only() -> None:
    engine = Engine(looping().SerializeToString(), device="cpu")
    row = np.array([[2, 1]], np.float32)
    engine.run(row)
    engine.stop(threading.get_ident())

    other = threading.Thread(target=engine.run, args=[row])
    other.start()
    other.join(10)

    with pytest.raises(RunStopped):
        engine.run(row)
    assert len(engine.run(row)["logits"]) == 1
