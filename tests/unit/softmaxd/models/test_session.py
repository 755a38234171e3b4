import logging
import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from softmaxd.errors import ModelError
from softmaxd.models.priorities import steps_for
from softmaxd.models.session import CPU, new_session, provider_of
from tests.support.onnx_models import linear
from tests.support.waiting import until


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(linear().SerializeToString())
    return path


def test_the_provider_is_the_one_that_runs_the_nodes(model: Path) -> None:
    assert provider_of(new_session(model, [CPU], 1)) == CPU


def test_a_message_of_onnx_runtime_has_no_path(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")

    with pytest.raises(ModelError, match=r"Load model from model\.onnx failed"):
        new_session(path, [CPU], 1)


def test_a_graph_without_an_input_is_refused() -> None:
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1])
    node = helper.make_node("Constant", [], ["logits"], value_floats=[1.0])
    graph = helper.make_graph([node], "constant", [], [output])
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()

    with pytest.raises(ModelError, match=r"^the graph has no input$"):
        new_session(content, [CPU], 1)


def test_a_broken_graph_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^ONNX Runtime cannot load it: "):
        new_session(b"x", [CPU], 1)


def started_threads(before: set[str]) -> set[int]:
    return {int(each) for each in set(os.listdir("/proc/self/task")) - before}


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own here")
@pytest.mark.parametrize("threads", [2, 4])
def test_the_threads_of_a_session_have_the_priority_of_its_runs(model: Path, threads: int) -> None:
    before = set(os.listdir("/proc/self/task"))

    session = new_session(model, [CPU], threads)

    until(lambda: len(started_threads(before)) == threads - 1)  # the one that opened it has ended
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + steps_for(threads), 19)
    assert {os.getpriority(os.PRIO_PROCESS, each) for each in started_threads(before)} == {nice}
    assert len(session.get_inputs()) == 1


def with_unused_weights() -> bytes:
    """Return a model of which ONNX Runtime says on loading that it has something unused."""
    model = linear()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "unused"))
    return bytes(model.SerializeToString())


def test_lines_of_onnx_runtime_are_log_lines(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    onnxruntime.InferenceSession(with_unused_weights(), providers=[CPU])

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("onnxruntime", logging.WARNING)
    assert record.getMessage().startswith("Removing initializer 'unused'")
    assert capfd.readouterr() == ("", "")


def test_a_session_is_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    session = new_session(with_unused_weights(), [CPU], 1)

    with pytest.raises(Exception, match="Got invalid dimensions"):
        session.run(None, {session.get_inputs()[0].name: np.zeros((1, 7), np.float32)})

    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
