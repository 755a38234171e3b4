import ctypes
import logging
from pathlib import Path

import pytest
from onnx import TensorProto, helper

from softmaxd.errors import StartupError
from softmaxd.models import devices
from softmaxd.models.devices import DeviceError, check_device, failure_of, missing_gpu, missing_library, open_session
from softmaxd.models.session import CPU, CUDA, LIBRARIES, provider_of
from tests.support.onnx_models import linear

MODEL = linear().SerializeToString()
INCOMPLETE = (
    "CUDA is incomplete: libonnxruntime_providers_cuda.so: cannot open shared object file: No such file or directory"
)


def test_the_cpu_works(caplog: pytest.LogCaptureFixture) -> None:
    check_device("cpu")

    assert provider_of(open_session(MODEL, "cpu", 1)) == CPU
    assert caplog.records == []


def test_auto_takes_the_cpu_without_a_word_where_nothing_was_built_for_a_gpu(caplog: pytest.LogCaptureFixture) -> None:
    check_device("auto")

    assert provider_of(open_session(MODEL, "auto", 1)) == CPU
    assert caplog.records == []


def test_cuda_is_refused_where_nothing_was_built_for_it() -> None:
    reason = f"device is cuda, but {devices.BUILT_WITHOUT}; use auto or cpu"
    with pytest.raises(StartupError) as refused:
        check_device("cuda")
    with pytest.raises(DeviceError) as rejected:
        open_session(MODEL, "cuda", 1)

    assert [str(refused.value), str(rejected.value)] == [reason, reason]


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_auto_falls_back_with_one_warning_that_says_why(caplog: pytest.LogCaptureFixture) -> None:
    check_device("auto")
    providers = [provider_of(open_session(MODEL, "auto", 1)) for _ in range(3)]

    assert providers == [CPU] * 3
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.WARNING, f"models run on the CPU: {INCOMPLETE}")
    ]


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_cuda_is_refused_with_the_reason_and_no_line_besides(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StartupError) as refused:
        check_device("cuda")

    assert str(refused.value) == f"device is cuda, but {INCOMPLETE}; use auto or cpu"
    assert caplog.records == []


@pytest.mark.usefixtures("cuda_without_its_libraries")
def test_cuda_is_taken_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for check in ("missing_library", "missing_gpu", "failure_of"):
        monkeypatch.setattr(devices, check, lambda _: None)

    assert (devices.names_of("auto"), devices.names_of("cuda"), devices.names_of("cpu")) == (
        [CUDA, CPU],
        [CUDA, CPU],
        [CPU],
    )


def test_a_driver_that_is_missing_is_named(tmp_path: Path) -> None:
    shared = (LIBRARIES / "libonnxruntime_providers_shared.so").read_bytes()
    (tmp_path / "libonnxruntime_providers_shared.so").write_bytes(shared)
    needed = shared.replace(b"libstdc++.so.6\0", b"libcuda.so.1\0\0\0")  # as the provider of CUDA does
    (tmp_path / "libonnxruntime_providers_cuda.so").write_bytes(needed)

    assert missing_library(tmp_path) == (
        "there is no driver of NVIDIA: libcuda.so.1: cannot open shared object file: No such file or directory"
    )


def test_a_library_that_is_there_is_not_missing(tmp_path: Path) -> None:
    (found,) = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libm.so.6" in line}
    for name in ("shared", "cuda"):
        (tmp_path / f"libonnxruntime_providers_{name}.so").symlink_to(found)

    assert missing_library(tmp_path) is None


class Runtime:
    """The two functions of the runtime of CUDA that are asked, with the answers that they give."""

    def __init__(self, code: int, count: int) -> None:
        def count_devices(pointer: object) -> int:
            pointer._obj.value = count  # type: ignore[attr-defined]
            return code

        def describe(_code: int) -> bytes:
            return b"no CUDA-capable device is detected"

        self.cudaGetDeviceCount, self.cudaGetErrorString = count_devices, describe


@pytest.mark.parametrize(
    ("code", "count", "reason"),
    [
        (100, 0, "the driver of NVIDIA has no GPU for us: no CUDA-capable device is detected"),
        (0, 0, "the driver of NVIDIA has no GPU for us"),
        (0, 2, None),
    ],
)
def test_the_runtime_is_asked_for_a_gpu(
    monkeypatch: pytest.MonkeyPatch, code: int, count: int, reason: str | None
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Runtime(code, count))

    assert missing_gpu("libcudart.so.13") == reason


def test_a_runtime_that_is_missing_is_named() -> None:
    assert missing_gpu("libnone.so.1") == (
        "CUDA is incomplete: libnone.so.1: cannot open shared object file: No such file or directory"
    )


def test_the_probe_is_a_product() -> None:
    value = helper.make_tensor_value_info
    x, y = (value(name, TensorProto.FLOAT, [1, 1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    assert model.SerializeToString() == devices.PROBE
    assert failure_of([CPU]) is None


@pytest.mark.filterwarnings(
    "ignore:Specified provider:UserWarning"
)  # of ONNX Runtime, about a provider that it does not have
def test_a_provider_that_is_not_taken_is_a_failure() -> None:
    assert failure_of([CUDA, CPU]) == "ONNX Runtime takes CPUExecutionProvider instead"


def test_a_probe_that_does_not_run_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "PROBE", MODEL)  # whose input has another name

    assert str(failure_of([CPU])).startswith("ONNX Runtime cannot use it: Required inputs")
