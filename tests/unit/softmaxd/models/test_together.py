import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import CannotRun
from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from softmaxd.models.together import MAX_REASON, reason, run_together, try_together
from tests.support.onnx_models import embedding

INDEX = "indices element out of data bounds, idx=5 must be within the inclusive range [-5,4]"
RESHAPE = "input_shape_size == requested_shape_size was false. The input tensor cannot be reshaped: {2,3} to {5}"
ROW = np.array([[1], [2]], np.float32)


def double(features: Array) -> dict[str, Array]:
    return {"doubled": features * 2}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20))
def test_any_split_of_rows_gets_them_back_in_order(sizes: list[int]) -> None:
    every = np.arange(sum(sizes), dtype=np.float32).reshape(-1, 1)
    parts = np.split(every, np.cumsum(sizes)[:-1])

    outputs = run_together(double, parts)

    assert [len(output["doubled"]) for output in outputs] == sizes
    assert np.array_equal(np.concatenate([output["doubled"] for output in outputs]), every * 2)


def test_a_model_that_answers_the_wrong_number_of_rows_cannot_run_them() -> None:
    with pytest.raises(CannotRun, match="it gives 1 rows of doubled for 2 rows"):
        run_together(lambda features: {"doubled": features[:-1]}, [ROW])


def test_an_outcome_has_rows_and_seconds_also_of_a_failure() -> None:
    engine = Engine(embedding(5).SerializeToString(), device="cpu")

    rows, seconds, outcome = try_together(engine.run, [np.array([[4]]), np.array([[5], [1]])], 3)

    assert (rows, seconds > 0) == (3, True)
    assert str(outcome) == f"The model cannot run these rows: {INDEX}"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Non-zero status code returned while running Gather node. "
            f"Name:'/embed/Gather' Status Message: {INDEX}",
            INDEX,
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Reshape node. Name:'' Status "
            "Message: /onnxruntime_src/onnxruntime/core/providers/cpu/tensor/reshape_helper.h:91 onnxruntime::Reshape"
            "Helper::ReshapeHelper(const onnxruntime::TensorShape&, onnxruntime::TensorShapeVector&, bool) "
            f"{RESHAPE}\n",
            RESHAPE,
        ),
        (
            "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Expand node. Name:'' Status "
            "Message: /onnxruntime_src/onnxruntime/core/framework/op_kernel.cc:87 virtual OrtValue* onnxruntime::"
            "OpKernelContext::OutputMLValue(int, const onnxruntime::TensorShape&) [ONNXRuntimeError] : 1 : FAIL : "
            "tensor.cc:57 CalculateTensorStorageSize Tensor shape.Size() must be >= 0",
            "tensor.cc:57 CalculateTensorStorageSize Tensor shape.Size() must be >= 0",
        ),
        ("cannot open /home/me/models/a.onnx for it", "cannot open for it"),
        ("x" * 1000, "x" * MAX_REASON + "…"),
        ("", "ValueError"),
    ],
)
def test_a_reason_is_one_sentence_without_paths(message: str, sentence: str) -> None:
    assert reason(ValueError(message)) == sentence
