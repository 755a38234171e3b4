"""Triton's own Python clients, unchanged, against a real server: `tritonclient.http` and `tritonclient.http.aio`."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from tritonclient import http
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException

from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from tests.support.paths import MODELS
from tests.support.server import Server
from tests.support.tables import ROWS as TABLE_ROWS
from tests.support.tables import publish_mixed
from tests.support.tables import tensors as table_tensors
from tests.support.triton import NEAR_THE_CENTRES, assert_same, tensor

MANY = np.random.default_rng(7).uniform(-10, 40, (1000, 2)).astype(np.float32)

Call = Callable[..., Any]


@pytest.fixture(scope="module", params=[http, aio], ids=["http", "aio"])
def call(base_url: str, request: pytest.FixtureRequest) -> Iterator[Call]:
    """Call a method of a client by its name; both clients have the same methods."""
    loop = asyncio.new_event_loop()

    async def connect() -> Any:
        return request.param.InferenceServerClient(urlsplit(base_url).netloc)

    client = loop.run_until_complete(connect())

    def call(method: str, *arguments: object, **options: object) -> Any:
        answer = getattr(client, method)(*arguments, **options)
        return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer

    yield call
    call("close")
    loop.close()


@pytest.fixture(scope="module")
def version(call: Call) -> str:
    return str(call("get_model_metadata", "blobs")["versions"][-1])


@pytest.fixture(scope="module")
def engine(version: str) -> Engine:
    return Engine(MODELS / "blobs" / version / "model.onnx", device="cpu")


def test_the_server_and_the_model_are_ready(call: Call, version: str) -> None:
    assert call("is_server_live") is True
    assert call("is_server_ready") is True
    assert call("is_model_ready", "blobs") is True
    assert call("is_model_ready", "blobs", version) is True


def test_an_unknown_model_is_not_ready(call: Call) -> None:
    assert call("is_model_ready", "nope") is False
    assert call("is_model_ready", "blobs", "99") is False


def test_the_server_describes_itself(call: Call) -> None:
    metadata = call("get_server_metadata")

    assert metadata["name"] == "softmaxd"
    assert metadata["extensions"] == ["binary_tensor_data", "classification", "model_configuration", "statistics"]


@pytest.mark.parametrize("numbered", [True, False])
def test_a_model_is_described(call: Call, version: str, numbered: bool) -> None:
    options = {"model_version": version} if numbered else {}

    metadata = call("get_model_metadata", "blobs", **options)
    config = call("get_model_config", "blobs", **options)

    assert metadata["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}]
    assert [output["name"] for output in metadata["outputs"]] == ["logits", "probabilities"]
    assert config["input"] == [{"name": "features", "data_type": "TYPE_FP32", "dims": [2]}]
    assert config["max_batch_size"] >= 1


def test_the_repository_is_listed(call: Call, version: str) -> None:
    assert {"name": "blobs", "version": version, "state": "READY", "reason": ""} in call("get_model_repository_index")


@pytest.mark.parametrize("form", ["every", "model", "version"])
def test_the_statistics_count(call: Call, version: str, form: str) -> None:
    options = {"every": {}, "model": {"model_name": "blobs"}, "version": {"model_name": "blobs"}}[form]
    if form == "version":
        options["model_version"] = version

    def rows() -> int:
        stats = call("get_inference_statistics", **options)["model_stats"]
        return next(int(each["inference_count"]) for each in stats if each["version"] == version)

    before = rows()
    call("infer", "blobs", [tensor()])

    assert rows() - before == 4


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("rows", [NEAR_THE_CENTRES[:1], NEAR_THE_CENTRES, MANY], ids=len)
def test_infers_the_very_bits_of_the_onnx_file(
    call: Call, engine: Engine, rows: Array, binary_in: bool, binary_out: bool
) -> None:
    names = ("probabilities", "logits")
    outputs = [http.InferRequestedOutput(name, binary_data=binary_out) for name in names]

    result = call("infer", "blobs", [tensor(rows, binary=binary_in)], outputs=outputs)

    assert_same(result, engine.run(rows), *names)


@pytest.mark.parametrize("outputs", [None, []])
def test_infers_every_output_when_none_is_named(
    call: Call, engine: Engine, outputs: list[http.InferRequestedOutput] | None
) -> None:
    result = call("infer", "blobs", [tensor()], outputs=outputs)

    assert_same(result, engine.run(NEAR_THE_CENTRES), "logits", "probabilities")


@pytest.mark.parametrize("binary_out", [True, False])
def test_tells_how_far_to_trust_an_answer(call: Call, binary_out: bool) -> None:
    rows = np.array([[15.2, 0.3], [17, 2], [15, 200]], dtype=np.float32)
    names = ("prediction_sets", "typicality", "atypicality")
    outputs = [http.InferRequestedOutput(name, binary_data=binary_out) for name in names]

    result = call("infer", "blobs", [tensor(rows)], outputs=outputs, parameters={"coverage": 0.5})

    typicality, sets = result.as_numpy("typicality"), result.as_numpy("prediction_sets")
    assert (typicality.dtype, typicality.shape) == (np.float64, (3,))
    assert typicality[0] > 0.5 > typicality[1] > typicality[2] > 0
    assert typicality[2] < 0.01
    assert (sets.dtype, sets.shape) == (np.bool_, (3, 4))
    assert sets[0].tolist() == [True, False, False, False]
    assert result.as_numpy("atypicality").argsort().tolist() == [0, 1, 2]


def test_takes_json_and_bytes_in_one_answer(call: Call, engine: Engine) -> None:
    outputs = [
        http.InferRequestedOutput("probabilities", binary_data=False),
        http.InferRequestedOutput("logits", binary_data=True),
    ]

    result = call("infer", "blobs", [tensor()], outputs=outputs)

    assert_same(result, engine.run(NEAR_THE_CENTRES), "logits", "probabilities")
    assert "data" in result.get_output("probabilities")
    assert result.get_output("logits")["parameters"] == {"binary_data_size": 64}


@pytest.mark.parametrize("request_compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_compresses_both_ways(
    call: Call, engine: Engine, request_compression: str | None, response_compression: str | None, binary: bool
) -> None:
    outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "probabilities")]

    result = call(
        "infer",
        "blobs",
        [tensor(MANY, binary=binary)],
        outputs=outputs,
        request_compression_algorithm=request_compression,
        response_compression_algorithm=response_compression,
    )

    assert_same(result, engine.run(MANY), "logits", "probabilities")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("class_count", [1, 3, 99])
def test_names_classes(call: Call, engine: Engine, binary: bool, class_count: int) -> None:
    output = http.InferRequestedOutput("probabilities", binary_data=binary, class_count=class_count)

    classes = call("infer", "blobs", [tensor()], outputs=[output]).as_numpy("probabilities")

    probabilities = engine.run(NEAR_THE_CENTRES)["probabilities"]
    assert classes.shape == (4, min(class_count, 4))
    for row, named in zip(probabilities, classes.astype(object), strict=True):
        texts = [name.decode() if isinstance(name, bytes) else name for name in named]
        best = np.argsort(-row, kind="stable")[:class_count]
        assert texts == [f"{row[index]:f}:{index}:blob-{index}" for index in best]


def test_a_request_keeps_its_id_and_names_its_version(call: Call, version: str) -> None:
    result = call("infer", "blobs", [tensor()], model_version=version, request_id="request ☃")

    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("request ☃", "blobs", version)


def test_parameters_that_mean_nothing_here_are_ignored(call: Call) -> None:
    call("infer", "blobs", [tensor()], priority=1, timeout=1_000_000, parameters={"mine": "x"})


def test_infers_in_the_background(base_url: str, engine: Engine) -> None:
    with http.InferenceServerClient(urlsplit(base_url).netloc, concurrency=4) as client:
        waiting = [client.async_infer("blobs", [tensor(MANY[start : start + 10])]) for start in range(0, 200, 10)]
        results = [each.get_result() for each in waiting]

    for start, result in zip(range(0, 200, 10), results, strict=True):
        assert_same(result, engine.run(MANY[start : start + 10]), "probabilities")


@pytest.mark.parametrize(
    ("method", "options", "status", "message"),
    [
        ("get_model_metadata", {"model_name": "nope"}, "404", "There is no such model; GET /models lists the models"),
        ("get_model_config", {"model_name": "blobs", "model_version": "99"}, "404", "There is no such version"),
        ("get_inference_statistics", {"model_name": "nope"}, "404", "There is no such model"),
        ("infer", {"model_name": "nope", "inputs": [tensor()]}, "404", "There is no such model"),
        (
            "infer",
            {"model_name": "blobs", "inputs": [tensor(name="x")]},
            "400",
            "inputs should be one tensor, named features",
        ),
        (
            "infer",
            {"model_name": "blobs", "inputs": [tensor(np.zeros((1, 2)), datatype="FP64")]},
            "400",
            "The datatype of features should be FP32, as the model takes it, not FP64",
        ),
        (
            "infer",
            {"model_name": "blobs", "inputs": [tensor(np.zeros((1, 3), np.float32))]},
            "400",
            "The shape of features should be [rows, 2], with at least one row",
        ),
        (
            "infer",
            {"model_name": "blobs", "inputs": [tensor(np.full((1, 2), np.nan, np.float32))]},
            "400",
            "features should be finite numbers, also as float32",
        ),
        (
            "infer",
            {"model_name": "blobs", "inputs": [tensor()], "outputs": [http.InferRequestedOutput("x")]},
            "400",
            "outputs should be among logits, probabilities, atypicality, typicality, prediction_sets, each once",
        ),
        ("get_system_shared_memory_status", {}, "404", "Not Found"),
        ("get_trace_settings", {}, "404", "Not Found"),
    ],
)
def test_an_error_arrives_with_its_message(
    call: Call, method: str, options: dict[str, object], status: str, message: str
) -> None:
    with pytest.raises(InferenceServerException) as raised:
        call(method, **options)

    assert raised.value.status() == status
    assert raised.value.message().startswith(message)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where a model of a table is served, and its folder."""
    folder = publish_mixed(tmp_path_factory.mktemp("people"))
    server = Server("--models-dir", str(folder.parent.parent), environment={})
    yield urlsplit(server.url).netloc, folder
    assert server.stop() == 0


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_table_has_a_tensor_for_each_input(people: tuple[str, Path], is_binary: bool) -> None:
    client = http.InferenceServerClient(people[0])
    values = table_tensors([row for row in TABLE_ROWS if is_binary or row["age"] is not None])  # its JSON has no null
    inputs = []
    for described in client.get_model_metadata("people")["inputs"]:
        name = described["name"]
        inputs.append(http.InferInput(name, values[name].shape, described["datatype"]))
        inputs[-1].set_data_from_numpy(values[name], binary_data=is_binary)

    found = client.infer("people", inputs).as_numpy("probabilities")

    expected = Engine(people[1] / "model.onnx", device="cpu").run_inputs(values)
    assert found.tobytes() == expected["probabilities"].tobytes()
    client.close()
