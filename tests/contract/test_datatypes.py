"""Models whose features are FP64 or INT64, over every protocol: all bits arrive, and other numbers are refused."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest

from softmaxd.models.engine import Engine
from softmaxd.models.features import Datatype
from softmaxd.models.outputs import Array, Features
from tests.support.arrays import assert_same, float32
from tests.support.onnx_graphs import add_exact
from tests.support.server import Server
from tests.support.v2 import joined, outputs_of

FP64 = np.array([[1 + 2**-52, 1], [1 - 2**-53, 1 + 2**-20], [3, 1e39], [0.1, 5e-324]])
INT64 = np.array([[2**53 - 1, 1 - 2**53], [2**24 + 1, -3], [0, -7]])
ROWS: Mapping[Datatype, Features] = {"FP64": FP64, "INT64": INT64}
MOST = np.array([[2**63 - 1, -(2**63)], [2**53 + 1, 2**62 + 3]])  # of INT64, beyond the integers that JSON keeps

Json = dict[str, Any]
Engines = Mapping[Datatype, Engine]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Engines]]:
    """Where the models are served, and the engines of the files that they were made from."""
    folder = tmp_path_factory.mktemp("datatypes")
    engines = {datatype: add_exact(datatype, folder) for datatype in ROWS}
    server = Server("--models-dir", str(folder / "models"), environment={"SOFTMAXD_EXPRESS": request.param})
    yield server.url, engines
    assert server.stop() == 0


@pytest.fixture(scope="module")
def engines(served: tuple[str, Engines]) -> Engines:
    return served[1]


@pytest.fixture(scope="module")
def client(served: tuple[str, Engines]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[0], timeout=30) as client:
        yield client


def expected(engines: Engines, datatype: Datatype, rows: Features) -> dict[str, Array]:
    """Return the outputs of the original file for the rows."""
    outputs = engines[datatype].run(rows)
    return {"logits": outputs["s"], "probabilities": outputs["p"]}


def tensor(datatype: str, rows: Features, **changes: object) -> Json:
    """Return a request with flat data; a change to `...` leaves the key out."""
    whole = {"name": "features", "shape": list(rows.shape), "datatype": datatype, "data": rows.ravel().tolist()}
    return {"inputs": [{key: value for key, value in {**whole, **changes}.items() if value is not ...}]}


@pytest.mark.parametrize(
    ("datatype", "rows", "narrower"), [("FP64", FP64[:2], "f4"), ("INT64", INT64[:2], "f4"), ("INT64", MOST[1:], "f8")]
)
def test_the_rows_tell_whether_bits_were_lost(
    engines: Engines, datatype: Datatype, rows: Features, narrower: str
) -> None:
    rounded = rows.astype(narrower).astype(rows.dtype)

    differs = expected(engines, datatype, rows)["logits"] != expected(engines, datatype, rounded)["logits"]
    assert differs.any(axis=1).all()


@pytest.mark.parametrize("datatype", ROWS)
@pytest.mark.parametrize("copies", [1, 30])  # a small body, and one for the fast reader
def test_predict_answers_as_the_original_file(
    client: httpx.Client, engines: Engines, datatype: Datatype, copies: int
) -> None:
    rows = np.tile(ROWS[datatype], (copies, 1))
    by_name = [{"x2": second, "x1": first} for first, second in rows.tolist()]

    for instances in (rows.tolist(), by_name):
        body = {"instances": instances, "include": ["logits"]}
        answer = client.post(f"/models/{datatype.lower()}/predict", json=body).json()

        found = {name: float32(answer[name]) for name in ("logits", "probabilities")}
        assert_same(found, expected(engines, datatype, rows))


@pytest.mark.parametrize("datatype", ROWS)
def test_one_row_is_answered_as_among_others(client: httpx.Client, engines: Engines, datatype: Datatype) -> None:
    for row in ROWS[datatype]:
        body = {"instances": [row.tolist()], "include": ["logits"]}
        answer = client.post(f"/models/{datatype.lower()}/predict", json=body).json()

        assert_same({"logits": float32(answer["logits"])}, expected(engines, datatype, row[None]))


@pytest.mark.parametrize("datatype", ROWS)
def test_v1_answers_as_the_original_file(client: httpx.Client, engines: Engines, datatype: Datatype) -> None:
    rows = ROWS[datatype].tolist()
    path, logits = f"/v1/models/{datatype.lower()}", {"signature_name": "logits"}
    examples = [{"x1": first, "x2": [second]} for first, second in rows]

    predicted = client.post(f"{path}:predict", json={"instances": rows, **logits}).json()["predictions"]
    named = client.post(f"{path}:predict", json={"inputs": {"features": rows}, **logits}).json()["outputs"]
    classified = client.post(f"{path}:classify", json={"examples": examples, **logits}).json()["results"]

    scores = [[score for _, score in row] for row in classified]
    for found in (predicted, named, scores):
        assert_same({"logits": float32(found)}, expected(engines, datatype, ROWS[datatype]))


@pytest.mark.parametrize(
    ("datatype", "rows", "forms"),
    [("FP64", FP64, "JSON and bytes"), ("INT64", INT64, "JSON and bytes"), ("INT64", MOST, "bytes")],
)
def test_v2_answers_as_the_original_file(
    client: httpx.Client, engines: Engines, datatype: Datatype, rows: Features, forms: str
) -> None:
    raw = rows.tobytes()
    in_bytes = tensor(datatype, rows, data=..., parameters={"binary_data_size": len(raw)})
    requests = [joined(in_bytes, raw), (raw, {"Inference-Header-Content-Length": "0"})]
    if "JSON" in forms:
        requests += [
            (json.dumps(tensor(datatype, rows, **data)).encode(), {}) for data in ({}, {"data": rows.tolist()})
        ]

    for body, headers in requests:
        response = client.post(f"/v2/models/{datatype.lower()}/infer", content=body, headers=headers)

        assert_same(outputs_of(response), expected(engines, datatype, rows))


HAS = "Input should be a whole number from -9223372036854775808 to 9223372036854775807, as the model takes INT64"
ROUNDS = "Input should be less than 2**53 in size, as JSON rounds from there; /v2 takes all of INT64 as bytes"


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [("1.5", "int_type", HAS), ("1e30", "int_range", HAS), ("9007199254740993", "int_range", ROUNDS)],
)
@pytest.mark.parametrize("copies", [1, 300])
def test_a_number_that_the_type_does_not_have_is_refused_by_its_place(
    client: httpx.Client, number: str, kind: str, message: str, copies: int
) -> None:
    rows = "[1, 2], " * copies + f"[3, {number}]"
    inputs = f'{{"name": "features", "shape": [1, 2], "datatype": "INT64", "data": [3, {number}]}}'

    native = client.post("/models/int64/predict", content=f'{{"instances": [{rows}]}}')
    v1 = client.post("/v1/models/int64:predict", content=f'{{"inputs": [{rows}]}}')
    v2 = client.post("/v2/models/int64/infer", content=f'{{"inputs": [{inputs}]}}')

    place = ["instances", copies, 1]
    assert (native.status_code, native.json()) == (422, {"detail": [{"type": kind, "loc": place, "msg": message}]})
    assert (v1.status_code, v1.json()) == (400, {"error": f"inputs[{copies}][1]: {message}"})
    assert (v2.status_code, v2.json()) == (400, {"error": f"inputs[0].data[1]: {message}"})


@pytest.mark.parametrize("number", ["NaN", "1e999", "true", "null", '"1"'])
@pytest.mark.parametrize("datatype", ROWS)
def test_every_type_refuses_other_values_than_finite_numbers(
    client: httpx.Client, datatype: Datatype, number: str
) -> None:
    inputs = f'{{"name": "features", "shape": [1, 2], "datatype": "{datatype}", "data": [3, {number}]}}'

    for path, body, status in (
        (f"/models/{datatype.lower()}/predict", f'{{"instances": [[3, {number}]]}}', 422),
        (f"/v1/models/{datatype.lower()}:predict", f'{{"instances": [[3, {number}]]}}', 400),
        (f"/v2/models/{datatype.lower()}/infer", f'{{"inputs": [{inputs}]}}', 400),
    ):
        assert client.post(path, content=body).status_code == status


@pytest.mark.parametrize("datatype", ROWS)
@pytest.mark.parametrize("came", ["FP32", "FP16", "INT32", "BOOL"])
def test_a_tensor_of_another_type_is_refused_and_both_are_named(
    client: httpx.Client, datatype: Datatype, came: str
) -> None:
    response = client.post(f"/v2/models/{datatype.lower()}/infer", json=tensor(came, np.array([[1, 0]])))

    message = f"The datatype of features should be {datatype}, as the model takes it, not {came}"
    assert (response.status_code, response.json()) == (400, {"error": message})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bytes_that_are_no_finite_numbers_are_refused(client: httpx.Client, value: float) -> None:
    raw = np.array([[1, value]]).tobytes()

    response = client.post("/v2/models/fp64/infer", content=raw, headers={"Inference-Header-Content-Length": "0"})

    assert (response.status_code, response.json()) == (400, {"error": "features should be finite numbers"})


@pytest.mark.parametrize(("datatype", "tensorflow"), [("FP64", "DT_DOUBLE"), ("INT64", "DT_INT64")])
def test_every_description_names_the_type(client: httpx.Client, datatype: Datatype, tensorflow: str) -> None:
    name = datatype.lower()

    described = client.get(f"/v2/models/{name}").json()
    configured = client.get(f"/v2/models/{name}/config").json()
    signature = client.get(f"/v1/models/{name}/metadata").json()["metadata"]["signature_def"]["signature_def"]["logits"]

    assert client.get(f"/models/{name}").json()["datatype"] == datatype
    assert described["inputs"] == [{"name": "features", "datatype": datatype, "shape": [-1, 2]}]
    assert {output["datatype"] for output in described["outputs"]} == {"FP32"}
    assert configured["input"] == [{"name": "features", "data_type": f"TYPE_{datatype}", "dims": [2]}]
    assert {output["data_type"] for output in configured["output"]} == {"TYPE_FP32"}
    assert signature["inputs"]["features"]["dtype"] == tensorflow
    assert signature["outputs"]["logits"]["dtype"] == "DT_FLOAT"
