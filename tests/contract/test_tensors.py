"""Models whose rows are tensors, over every protocol: the answers are those of ONNX Runtime for the same tensors."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from onnx import TensorProto

from softmaxd.models.engine import Engine
from softmaxd.models.features import Feature
from softmaxd.models.outputs import Features
from tests.support.onnx_models import pictures, publish
from tests.support.server import Server

SHAPES = {"image": (3, 2, 4), "signal": (5,), "bytes": (4, 4, 1), "clip": (2, 3, 1, 2), "wide": (1, 1)}
ROWS = 7

Json = dict[str, Any]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where the models are served, and the folder that they are in."""
    folder = tmp_path_factory.mktemp("tensors")
    for name, shape in SHAPES.items():
        is_bytes = name == "bytes"
        content = pictures(shape, TensorProto.UINT8 if is_bytes else TensorProto.FLOAT).SerializeToString()
        feature = Feature(name="pixels", min=0, max=255, shape=shape)
        publish(folder, 1, content, name=name, features=[feature], datatype="UINT8" if is_bytes else "FP32")
    server = Server("--models-dir", str(folder), environment={"SOFTMAXD_EXPRESS": request.param})
    yield server.url, folder
    assert server.stop() == 0


@pytest.fixture(scope="module")
def client(served: tuple[str, Path]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[0], timeout=30) as client:
        yield client


@pytest.fixture(params=SHAPES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rows_of(name: str, rows: int = ROWS) -> Features:
    """Return tensors that the model takes."""
    numbers = np.random.default_rng(1).integers(0, 256, size=(rows, *SHAPES[name]))
    return numbers.astype(np.uint8) if name == "bytes" else (numbers / 8).astype(np.float32)


@pytest.fixture
def expected(served: tuple[str, Path], name: str) -> Mapping[str, Any]:
    """The outputs of ONNX Runtime."""
    engine = Engine(served[1] / name / "1" / "model.onnx", device="cpu")
    return {output: values.tolist() for output, values in engine.run(rows_of(name)).items()}


def as_float32(rows: object) -> object:
    return np.array(rows, dtype=np.float32).tolist()


@pytest.mark.parametrize("blank", [False, True], ids=["dense", "indented"])
def test_predict_takes_nested_lists(client: httpx.Client, name: str, expected: Mapping[str, Any], blank: bool) -> None:
    tensors = rows_of(name).tolist()
    option = orjson.OPT_INDENT_2 if blank else None
    for instances in (tensors, [{"pixels": tensor} for tensor in tensors]):
        body = orjson.dumps({"instances": instances, "include": ["logits"]}, option=option)

        answer = client.post(f"/models/{name}/predict", content=body, headers={"Content-Type": "application/json"})

        assert answer.status_code == 200
        assert as_float32(answer.json()["logits"]) == expected["logits"]
        assert as_float32(answer.json()["probabilities"]) == expected["probabilities"]


@pytest.mark.parametrize("rows", [1, ROWS])
def test_v1_takes_nested_lists(client: httpx.Client, name: str, expected: Mapping[str, Any], rows: int) -> None:
    tensors = rows_of(name).tolist()[:rows]
    bodies = [
        ({"instances": tensors}, "predictions"),
        ({"instances": [{"features": tensor} for tensor in tensors]}, "predictions"),
        ({"inputs": tensors}, "outputs"),
        ({"inputs": {"features": tensors}}, "outputs"),
    ]
    for body, key in bodies:
        answer = client.post(f"/v1/models/{name}:predict", json=body)

        assert answer.status_code == 200
        assert as_float32(answer.json()[key]) == expected["probabilities"][:rows]

    examples = [{"pixels": tensor} for tensor in tensors]
    classes = client.post(f"/v1/models/{name}:classify", json={"examples": examples}).json()["results"]
    assert as_float32([[score for _, score in row] for row in classes]) == expected["probabilities"][:rows]


@pytest.mark.parametrize("rows", [1, ROWS])
def test_v2_takes_tensors_as_json_and_bytes(
    client: httpx.Client, name: str, expected: Mapping[str, Any], rows: int
) -> None:
    tensors = rows_of(name)[:rows]
    described: Json = {
        "name": "features",
        "shape": list(tensors.shape),
        "datatype": "UINT8" if name == "bytes" else "FP32",
    }
    path = f"/v2/models/{name}/infer"
    outputs = [{"name": "probabilities"}]
    for data in (tensors.tolist(), tensors.ravel().tolist()):
        answer = client.post(path, json={"inputs": [{**described, "data": data}], "outputs": outputs})

        assert answer.status_code == 200
        numbers = np.array(answer.json()["outputs"][0]["data"], np.float32).reshape(rows, -1)
        assert numbers.tolist() == expected["probabilities"][:rows]

    described["parameters"] = {"binary_data_size": tensors.nbytes}
    text = orjson.dumps({"inputs": [described], "outputs": outputs})
    head = {"Inference-Header-Content-Length": str(len(text))}
    answer = client.post(path, content=text + tensors.tobytes(), headers=head)
    assert (
        np.array(answer.json()["outputs"][0]["data"], np.float32).reshape(rows, -1).tolist()
        == (expected["probabilities"][:rows])
    )

    raw = client.post(path, content=tensors.tobytes(), headers={"Inference-Header-Content-Length": "0"})
    start = int(raw.headers["Inference-Header-Content-Length"])
    both = np.frombuffer(raw.content[start:], np.float32).reshape(2, rows, -1)
    assert both.tolist() == [expected["logits"][:rows], expected["probabilities"][:rows]]


def test_the_metadata_have_the_shape(client: httpx.Client, name: str) -> None:
    shape = list(SHAPES[name])

    assert client.get(f"/v2/models/{name}").json()["inputs"][0]["shape"] == [-1, *shape]
    assert client.get(f"/v2/models/{name}/config").json()["input"][0]["dims"] == shape
    signature = client.get(f"/v1/models/{name}/metadata").json()["metadata"]["signature_def"]["signature_def"]
    sizes = [each["size"] for each in signature["serving_default"]["inputs"]["features"]["tensor_shape"]["dim"]]
    assert sizes == ["-1", *map(str, shape)]
    (feature,) = client.get(f"/models/{name}").json()["features"]
    assert (feature["name"], feature["min"], feature["max"], feature["shape"]) == ("pixels", 0.0, 255.0, shape)


IMAGE = [[[1, 2, 3, 4]] * 2] * 3
WRONG = {
    "flat": ([1] * 24, ["instances", 0, 0], "Input should be a valid array"),
    "too deep": ([[[[1]] * 4] * 2] * 3, ["instances", 0, 0, 0, 0], "Input should be a valid number"),
    "too many": ([*IMAGE, IMAGE[0]], ["instances", 0], "Input should be nested lists of 3 × 2 × 4 numbers, pixels"),
    "ragged": (
        [*IMAGE[:2], [[1, 2, 3, 4], [1, 2]]],
        ["instances", 0],
        "Input should be nested lists of 3 × 2 × 4 numbers, pixels",
    ),
    "empty": ([], ["instances", 0], "Input should be nested lists of 3 × 2 × 4 numbers, pixels"),
    "text": ([*IMAGE[:2], [[1, 2, 3, 4], [1, 2, "3", 4]]], ["instances", 0, 2, 1, 2], "Input should be a valid number"),
    "beyond float32": (
        [*IMAGE[:2], [[1, 2, 3, 4], [1, 2, 3, 1e39]]],
        ["instances", 0, 2, 1, 3],
        "Input should be a finite number, also as float32",
    ),
    "another name": (
        {"pixels": IMAGE, "more": IMAGE},
        ["instances", 0, "more"],
        "Extra inputs are not permitted; the features are pixels",
    ),
    "no name": ({"pixel": IMAGE}, ["instances", 0, "pixels"], "Field required"),
    "ragged by name": (
        {"pixels": [*IMAGE[:2], [[1]]]},
        ["instances", 0, "pixels"],
        "Input should be nested lists of 3 × 2 × 4 numbers, pixels",
    ),
    "beyond float32 by name": (
        {"pixels": [*IMAGE[:2], [[1, 2, 3, 4], [1, 2, 3, 1e39]]]},
        ["instances", 0, "pixels", 2, 1, 3],
        "Input should be a finite number, also as float32",
    ),
}


@pytest.mark.parametrize(("row", "loc", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("blanks", [0, 2000], ids=["small", "large"])
def test_a_wrong_tensor_is_refused_with_its_place(
    client: httpx.Client, row: object, loc: list[object], message: str, blanks: int
) -> None:
    body = orjson.dumps({"instances": [row]}) + b" " * blanks

    answer = client.post("/models/image/predict", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert (problem["loc"], problem["msg"]) == (loc, message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1] * 23, "The data of features should be 24 numbers, as its shape says, not 23"),
        ([[[[1, 2, 3, 4]] * 2] * 2], "The data of features should be 1 lists of 3 × 2 × 4 numbers, as its shape says"),
        (
            [[[[1, 2, 3, 4]] * 2, [[1, 2, 3, 4]]]],
            "The data of features should be 1 lists of 3 × 2 × 4 numbers, as its shape says",
        ),
    ],
    ids=["flat", "too few", "ragged"],
)
@pytest.mark.parametrize("blanks", [0, 2000], ids=["small", "large"])
def test_v2_refuses_data_of_another_shape(client: httpx.Client, data: object, message: str, blanks: int) -> None:
    described = {"name": "features", "shape": [1, 3, 2, 4], "datatype": "FP32", "data": data}

    answer = client.post("/v2/models/image/infer", content=orjson.dumps({"inputs": [described]}) + b" " * blanks)

    assert (answer.status_code, answer.json()) == (400, {"error": message})


@pytest.mark.parametrize("shape", [[1, 24], [3, 2, 4], [1, 3, 2, 4, 1], [0, 3, 2, 4], []])
def test_v2_refuses_another_shape(client: httpx.Client, shape: list[int]) -> None:
    described = {"name": "features", "shape": shape, "datatype": "FP32", "data": [1] * 24}

    answer = client.post("/v2/models/image/infer", json={"inputs": [described]})

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "The shape of features should be [rows, 3, 2, 4], with at least one row"},
    )
