import asyncio
import os
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from softmaxd.adding.inspection import convert, inspect
from softmaxd.errors import ModelError
from softmaxd.metrics.metrics import Metrics
from softmaxd.models import loading
from softmaxd.models.calibration import Calibration
from softmaxd.models.engine import Engine
from softmaxd.models.features import DTYPES, Datatype, Feature
from softmaxd.models.files import NotNow
from softmaxd.models.model import Model
from softmaxd.models.outputs import Outputs
from softmaxd.models.split import SplitOutputs
from softmaxd.models.warming import middle
from softmaxd.settings import Settings
from tests.support.onnx_graphs import WEIGHTS, exact, model, node, tensor
from tests.support.onnx_models import classifier, linear, looping, publish, with_atypicality
from tests.support.paths import MODELS
from tests.support.tables import FEATURES, mixed
from tests.support.waiting import until


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(tmp_path: Path, file: str) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())
    (folder / file).unlink()
    os.mkfifo(folder / file)

    with pytest.raises(ModelError, match=f"^{file} is a named pipe, not a regular file$") as raised:
        loading.read_manifest(folder)
    assert not isinstance(raised.value, NotNow)


def test_a_file_that_is_missing_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())
    model = folder / "model.onnx"
    model.unlink()
    with pytest.raises(ModelError, match=r"^No such file or directory: model\.onnx$") as missing:
        loading.read_manifest(folder)

    model.symlink_to(model)
    with pytest.raises(NotNow, match=r"^Too many levels of symbolic links: model\.onnx$"):
        loading.read_manifest(folder)

    assert not isinstance(missing.value, NotNow)


SUMS = helper.make_node("Gemm", ["features", "weights", "bias"], ["sums"])
CONSTANTS = {
    "weights": np.zeros((2, 3), dtype=np.float32),
    "bias": np.zeros(3, dtype=np.float32),
    "five columns": np.array([-1, 5]),
    "0": np.array([0]),
    "1": np.array([1]),
    "3": np.array([3]),
    "many": np.array([2**40]),
}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [
                helper.make_node("Reshape", ["sums", "five columns"], ["reshaped"]),
                helper.make_node("Slice", ["reshaped", "0", "3", "1"], ["logits"]),
            ],
            "ONNX Runtime cannot run 1 rows",
        ),
        ([helper.make_node("Slice", ["sums", "1", "many", "0"], ["logits"])], "it gives 0 rows of logits for 1 rows"),
    ],
)
def test_a_model_that_loads_but_does_not_run_right_is_refused(
    tmp_path: Path, nodes: list[NodeProto], reason: str
) -> None:
    folder = publish(tmp_path, 1, classifier([SUMS, *nodes], CONSTANTS).SerializeToString())

    with pytest.raises(ModelError, match=reason):
        loading.load(folder, Settings())


def test_requests_to_a_model_whose_rows_depend_on_each_other_run_alone(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["largest"], keepdims=0),
        helper.make_node("Sub", ["features", "largest"], ["shifted"]),
        helper.make_node("MatMul", ["shifted", "weights"], ["logits"]),
    ]
    weights = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    folder = publish(tmp_path, 1, classifier(nodes, {"weights": weights}).SerializeToString())
    model = loading.load(folder, Settings())
    rows = [np.array([[value, 1]], dtype=np.float32) for value in (0, 1, 2)]

    async def main() -> list[Outputs]:
        return await asyncio.gather(*(model.batcher.predict(row) for row in rows))

    for row, outputs in zip(rows, asyncio.run(main()), strict=True):
        assert np.array_equal(outputs["logits"], (row - row.max()) @ weights)


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "INT8", "UINT64"])
@pytest.mark.parametrize(("low", "high"), [(None, None), (0, 0), (5, 1), (-1e300, 1e300), (-1.7e308, 1.7e308)])
def test_a_model_with_any_ranges_is_tried(
    tmp_path: Path, low: float | None, high: float | None, datatype: Datatype
) -> None:
    features = [Feature(name="x1", min=low, max=high), Feature(name="x2")]
    folder = publish(tmp_path, 1, in_its_own_type(datatype), features=features, datatype=datatype)

    loading.load(folder, Settings())


def in_its_own_type(datatype: Datatype) -> bytes:
    """Return the file that is served of a classifier whose input has this type."""
    graph = exact(datatype)
    return convert(graph, inspect(graph, None))


@pytest.mark.parametrize("datatype", DTYPES)
def test_requests_to_a_model_of_any_type_run_as_one_batch_in_it(tmp_path: Path, datatype: Datatype) -> None:
    folder = publish(tmp_path, 1, in_its_own_type(datatype), datatype=datatype)
    rows = [np.array([[value, 1]], DTYPES[datatype]) for value in range(40)]
    expected = Engine(exact(datatype).SerializeToString(), device="cpu").run(np.concatenate(rows))
    metrics = Metrics()
    model = loading.load(folder, Settings(), metrics.runs_of)

    async def main() -> list[Outputs]:
        return await asyncio.gather(*(model.batcher.predict(row) for row in rows))

    outputs = asyncio.run(main())

    assert np.concatenate([each["logits"] for each in outputs]).tobytes() == expected["s"].tobytes()
    assert np.concatenate([each["probabilities"] for each in outputs]).tobytes() == expected["p"].tobytes()
    assert metrics.by_version()["linear", 1].runs == 1


@pytest.mark.parametrize(("numbers", "runs"), [(15, 4), (14, 5), (1, 20)])
def test_the_outputs_of_a_batch_have_no_more_numbers_than_one_answer_may_have(
    tmp_path: Path, numbers: int, runs: int
) -> None:
    folder = publish(tmp_path, 1, linear().SerializeToString())  # of 3 classes
    metrics = Metrics()
    model = loading.load(folder, Settings(max_answer_numbers=numbers), metrics.runs_of)
    rows = [np.array([[value, 1]], np.float32) for value in range(20)]

    async def main() -> None:
        await asyncio.gather(*(model.batcher.predict(row) for row in rows))

    asyncio.run(main())

    assert metrics.by_version()["linear", 1].runs == runs


def test_a_model_that_knows_only_0_and_1_is_tried_with_these(tmp_path: Path) -> None:
    look_up = [node("Cast", "x", "place", to=TensorProto.INT64), node("Gather", "table place", "number")]
    constants = {"table": np.array([0.5, 2], np.float32), "w": WEIGHTS}
    inputs = [tensor("x", ["n", 2], TensorProto.UINT8)]
    outputs = [tensor("s", ["n", 3])]
    graph = model([*look_up, node("MatMul", "number w", "s")], inputs=inputs, outputs=outputs, constants=constants)
    content = convert(graph, inspect(graph, None))
    folder = publish(tmp_path, 1, content, features=[Feature(name="x1"), Feature(name="x2")], datatype="UINT8")
    metrics = Metrics()
    served = loading.load(folder, Settings(), metrics.runs_of)

    async def main() -> None:
        await asyncio.gather(*(served.batcher.predict(np.array([[0, 1]], np.uint8)) for _ in range(2)))

    asyncio.run(main())

    assert metrics.by_version()["linear", 1].runs == 1  # with -1 as 255 it would fail, and its requests run alone


@pytest.mark.parametrize(
    ("content", "datatype", "reason"),
    [
        (in_its_own_type("INT64"), "FP32", r"features should be tensor(float) [n, 2], but the graph has tensor(int64)"),
        (
            in_its_own_type("FP64"),
            "INT64",
            r"features should be tensor(int64) [n, 2], but the graph has tensor(double)",
        ),
        (in_its_own_type("FP32"), "FP64", r"features should be tensor(double) [n, 2], but the graph has tensor(float)"),
    ],
)
def test_a_graph_whose_input_is_not_of_the_manifests_type_is_refused(
    tmp_path: Path, content: bytes, datatype: Datatype, reason: str
) -> None:
    folder = publish(tmp_path, 1, content, datatype=datatype)

    with pytest.raises(ModelError, match=re.escape(reason)):
        loading.load(folder, Settings())


def test_a_graph_with_an_input_that_the_manifest_does_not_have_is_refused(tmp_path: Path) -> None:
    folder = publish(tmp_path, 1, mixed().SerializeToString(), features=FEATURES[:-1])

    with pytest.raises(ModelError, match=r"^the graph has the input city, which manifest\.json does not have$"):
        loading.load(folder, Settings())


def test_a_version_has_the_name_and_number_of_its_place(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for version in (1, 2):
        publish(models, version, linear().SerializeToString())
    folder = models / "linear"
    (folder / "1").rename(folder / "3")

    for models_dir in (None, models, folder):
        with pytest.raises(ModelError, match=r"^manifest\.json is of linear version 1$"):
            loading.read_manifest(folder / "3", models_dir)
    assert loading.read_manifest(folder / "3", folder / "3").version == 1


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_model_that_runs_on_a_gpu_as_on_the_cpu_is_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="softmaxd")

    served = loading.load(publish(tmp_path, 1, linear().SerializeToString()), Settings())

    assert served.provider == "CUDAExecutionProvider"
    assert "serving linear version 1 on CUDAExecutionProvider" in caplog.messages


@pytest.mark.usefixtures("as_on_a_gpu")
def test_a_model_that_runs_otherwise_on_the_cpu_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = linear(bias=(0.0, 0.5, 0.0)).SerializeToString()
    folder = publish(tmp_path, 1, linear().SerializeToString())
    monkeypatch.setattr(
        loading,
        "Engine",
        lambda model, *, device, threads=1: Engine(wrong if device == "cpu" else model, device=device, threads=threads),
    )

    with pytest.raises(ModelError, match=r"^its logits on the GPU and on the CPU differ by 5\.0e-01 for rows"):
        loading.load(folder, Settings())


CALIBRATION = Calibration(rows=2, temperature=1.0, scores=(0.5, 1.0), atypicality=(1.0, 2.0))


@pytest.mark.parametrize("name", ["blobs", "iris", "digits"])
def test_a_committed_model_runs_in_parts_which_give_the_bits_of_the_whole(name: str) -> None:
    folder = MODELS / name / "1"
    loaded: list[Model] = []

    def is_in_parts() -> bool:
        loaded.append(loading.load(folder, Settings()))
        return isinstance(loaded[-1].run(middle(loaded[-1].manifest, 1)).of_batch, SplitOutputs)

    until(is_in_parts)  # on a busy machine it may seem to take long
    model = loaded[-1]
    features = np.random.default_rng(0).uniform(0, 10, (50, model.manifest.layout.width)).astype(np.float32)
    expected = Engine(folder / "model.onnx", device="cpu").run(features.reshape(-1, *model.manifest.layout.shape))

    outputs = model.run(features)

    for output in expected:
        assert outputs[output].tobytes() == expected[output].tobytes()
    assert outputs.of_batch.keys() == expected.keys()


def with_slow_atypicality() -> bytes:
    """Return a classifier whose atypicality takes more than 4 µs a row: that of a product with a large matrix."""
    model = with_atypicality(linear())
    model.graph.node.pop()
    weights = np.ones((2, 2_000), np.float32), np.ones((2_000, 2_000), np.float32)
    model.graph.initializer.extend(map(numpy_helper.from_array, weights, ["wide", "square"]))
    model.graph.node.extend(
        [
            helper.make_node("MatMul", ["features", "wide"], ["many"]),
            helper.make_node("MatMul", ["many", "square"], ["product"]),
            helper.make_node("ReduceMax", ["product", "axis"], ["atypicality"], keepdims=0),
        ]
    )
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "calibration"),
    [
        (linear().SerializeToString(), None),
        (with_atypicality(linear()).SerializeToString(), None),
        (with_atypicality(looping()).SerializeToString(), CALIBRATION),
        (with_slow_atypicality(), CALIBRATION),
    ],
    ids=["no atypicality", "no calibration", "a loop", "atypicality takes long"],
)
def test_other_models_run_as_a_whole(tmp_path: Path, content: bytes, calibration: Calibration | None) -> None:
    model = loading.load(publish(tmp_path, 1, content, calibration=calibration), Settings())

    assert not isinstance(model.run(np.zeros((1, 2), np.float32)).of_batch, SplitOutputs)
