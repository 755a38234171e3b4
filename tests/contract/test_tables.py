"""Models of tables, over every protocol: the answers are those of ONNX Runtime for the same values."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from softmaxd.models.engine import Engine
from softmaxd.models.outputs import Array
from tests.support.server import Server
from tests.support.tables import NAMES, ROWS, answers, publish_filled, publish_mixed, tensors

MANY = 3000  # rows: their JSON is read in several pieces
MAX_ROWS = 5000
ONLY_BYTES = {"Inference-Header-Content-Length": "0"}

Json = dict[str, Any]


@pytest.fixture(scope="module", params=["on", "off"], ids="express={}".format)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Where the models are served, and the folder that they are in."""
    folder = tmp_path_factory.mktemp("tables")
    publish_mixed(folder)
    publish_filled(folder)
    settings = {"EXPRESS": request.param, "DEFAULT_MODEL": "people", "MAX_ROWS": str(MAX_ROWS)}
    environment = {f"SOFTMAXD_{name}": value for name, value in settings.items()}
    server = Server("--models-dir", str(folder), environment=environment)
    yield server.url, folder
    assert server.stop() == 0


@pytest.fixture(scope="module")
def client(served: tuple[str, Path]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[0], timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def expected(served: tuple[str, Path]) -> Mapping[str, Array]:
    return answers(served[1] / "people" / "1")


def listed(row: Json) -> list[Any]:
    return [row[name] for name in NAMES]


def same(found: object, expected: Array) -> bool:
    return np.array(found, dtype=np.float32).reshape(expected.shape).tobytes() == expected.tobytes()


def post(client: httpx.Client, path: str, body: object) -> Any:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("is_named", [True, False], ids=["records", "rows"])
@pytest.mark.parametrize("times", [1, MANY // len(ROWS)], ids=["few", "many"])
def test_predict_takes_values_by_name_or_in_order(
    client: httpx.Client, expected: Mapping[str, Array], is_named: bool, times: int
) -> None:
    instances = [row if is_named else listed(row) for row in ROWS] * times

    answer = post(client, "/models/people/predict", {"instances": instances, "include": ["logits"]})

    assert same(answer["logits"], np.tile(expected["logits"], (times, 1)))
    assert same(answer["probabilities"], np.tile(expected["probabilities"], (times, 1)))


def test_a_missing_value_is_null_or_absent(client: httpx.Client, expected: Mapping[str, Array]) -> None:
    absent = {name: value for name, value in ROWS[1].items() if value is not None}

    answer = post(client, "/models/people/predict", {"instances": [absent, ROWS[1]]})

    assert same(answer["probabilities"], expected["probabilities"][[1, 1]])


@pytest.mark.parametrize("times", [1, MANY // len(ROWS)], ids=["few", "many"])
def test_unknown_texts_are_told_by_row(client: httpx.Client, times: int) -> None:
    answer = post(client, "/models/people/predict", {"instances": [*ROWS] * times, "top_k": 1})

    assert [*answer] == ["model", "version", "labels", "top", "unknown"]
    assert answer["unknown"] == [[], [], ["city"], ["city"]] * times


def test_unknown_texts_of_every_protocol_are_counted(client: httpx.Client) -> None:
    def count() -> float:
        series = 'softmaxd_unknown_texts_total{model="people",version="1",feature="city"} '
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.removeprefix(series)) for line in lines if line.startswith(series))

    before = count()
    post(client, "/models/people/predict", {"instances": ROWS})
    post(client, "/v1/models/people:predict", {"instances": ROWS})
    post(client, "/v2/models/people/infer", {"inputs": [*in_json().values()]})

    assert count() - before == 6


def test_an_answer_without_unknown_texts_has_no_word_of_them(client: httpx.Client) -> None:
    answer = post(client, "/models/people/predict", {"instances": ROWS[:2]})

    assert [*answer] == ["model", "version", "labels", "probabilities"]


@pytest.mark.parametrize("times", [1, MANY // len(ROWS)], ids=["few", "many"])
def test_v1_takes_rows_and_columns(client: httpx.Client, expected: Mapping[str, Array], times: int) -> None:
    rows = [*ROWS] * times
    wrapped = [{name: [value] for name, value in row.items()} for row in rows]
    by_rows = [[listed(row) for row in rows], rows, wrapped]
    by_columns: list[object] = [{name: [row[name] for row in rows] for name in NAMES}]
    by_columns += [{name: [[row[name]] for row in rows] for name in NAMES}, [listed(row) for row in ROWS]]
    for instances in by_rows:
        answer = post(client, "/v1/models/people:predict", {"instances": instances})
        assert same(answer["predictions"], np.tile(expected["probabilities"], (times, 1)))
    for inputs in by_columns:
        answer = post(client, "/v1/models/people:predict", {"inputs": inputs, "signature_name": "logits"})
        count = len(answer["outputs"]) // len(ROWS)
        assert same(answer["outputs"], np.tile(expected["logits"], (count, 1)))
    answer = post(client, "/v1/models/people:classify", {"examples": rows})
    scores = [[score for _, score in row] for row in answer["results"]]
    assert same(scores, np.tile(expected["probabilities"], (times, 1)))


def as_bytes(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype != object:
        return values.tobytes()
    texts = [text.encode() for text in values.ravel()]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


DATATYPES = {"numbers": "FP32", "job": "BYTES", "member": "BOOL", "children": "INT64", "city": "BYTES"}


def described(rows: Sequence[Mapping[str, Any]] = ROWS, **changes: object) -> dict[str, Json]:
    """Return the inputs of `/v2` without their values, by name."""
    found = tensors(rows)
    return {
        name: {"name": name, "datatype": kind, "shape": list(found[name].shape), **changes}
        for name, kind in DATATYPES.items()
    }


def in_json(rows: Sequence[Mapping[str, Any]] = ROWS, *, is_flat: bool = False) -> dict[str, Json]:
    """Return the inputs of `/v2` with values as JSON, null for NaN, by name."""
    inputs = described(rows)
    for name, values in tensors(rows).items():
        cells = values.ravel() if is_flat else values
        inputs[name]["data"] = orjson.loads(orjson.dumps(cells.tolist()))
    return inputs


@pytest.mark.parametrize("is_flat", [True, False], ids=["flat", "lists"])
def test_v2_takes_a_tensor_for_each_input(client: httpx.Client, expected: Mapping[str, Array], is_flat: bool) -> None:
    inputs = [*in_json(is_flat=is_flat).values()]
    for order in (inputs, inputs[::-1]):
        outputs = post(client, "/v2/models/people/infer", {"id": "a", "inputs": order})["outputs"]
        assert same(outputs[0]["data"], expected["logits"])
        assert same(outputs[1]["data"], expected["probabilities"])


def infer_bytes(client: httpx.Client, inputs: Sequence[tuple[Json, bytes]], *, more: bytes = b"") -> httpx.Response:
    """Send inputs whose values are bytes after the JSON."""
    head = [{**input, "parameters": {"binary_data_size": len(values)}} for input, values in inputs]
    text = orjson.dumps({"inputs": head, "outputs": [{"name": "probabilities"}]})
    content = text + b"".join(values for _, values in inputs) + more
    return client.post(
        "/v2/models/people/infer", content=content, headers={"Inference-Header-Content-Length": str(len(text))}
    )


def in_bytes(**changed: bytes) -> list[tuple[Json, bytes]]:
    found = {name: as_bytes(values) for name, values in tensors(ROWS).items()} | changed
    return [(input, found[name]) for name, input in described().items()]


def test_v2_takes_bytes(client: httpx.Client, expected: Mapping[str, Array]) -> None:
    for order in (in_bytes(), in_bytes()[::-1]):
        answer = infer_bytes(client, order)
        assert answer.status_code == 200, answer.text
        assert same(answer.json()["outputs"][0]["data"], expected["probabilities"])


def test_v2_takes_a_tensor_of_one_column_without_its_dimension(
    client: httpx.Client, expected: Mapping[str, Array]
) -> None:
    inputs = in_json(is_flat=True)
    for name in ("job", "member", "children", "city"):
        inputs[name]["shape"] = [len(ROWS)]

    outputs = post(client, "/v2/models/people/infer", {"inputs": [*inputs.values()]})["outputs"]

    assert same(outputs[1]["data"], expected["probabilities"])


def test_the_metadata_have_every_input(client: httpx.Client) -> None:
    inputs = client.get("/v2/models/people").json()["inputs"]
    assert inputs[:3] == [
        {"name": "numbers", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "job", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "member", "datatype": "BOOL", "shape": [-1, 1]},
    ]
    configured = client.get("/v2/models/people/config").json()["input"]
    assert [each["data_type"] for each in configured] == [
        "TYPE_FP32", "TYPE_STRING", "TYPE_BOOL", "TYPE_INT64", "TYPE_STRING",
    ]  # fmt: skip
    definitions = client.get("/v1/models/people/metadata").json()["metadata"]["signature_def"]["signature_def"]
    signature = definitions["serving_default"]["inputs"]
    assert {name: tensor["dtype"] for name, tensor in signature.items()} == {
        "age": "DT_FLOAT",
        "job": "DT_STRING",
        "income": "DT_FLOAT",
        "member": "DT_BOOL",
        "children": "DT_INT64",
        "city": "DT_STRING",
    }
    assert signature["age"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}]
    job = client.get("/models/people").json()["features"][1]
    assert job["datatype"] == "BYTES"
    assert job["nullable"] is True
    assert "clerk" in job["categories"]


def changed(name: str, value: object) -> Json:
    return {**ROWS[0], name: value}


WRONG: dict[str, tuple[object, list[object], str]] = {
    "a text for a number": (changed("age", "41"), ["age"], "Input should be a valid number or null"),
    "a boolean for a number": (changed("income", True), ["income"], "Input should be a valid number"),
    "null where nothing may miss": (changed("income", None), ["income"], "Input should be a valid number"),
    "a list for a number": (changed("income", [1]), ["income"], "Input should be a valid number"),
    "a number for a text": (changed("city", 7), ["city"], "Input should be a valid string"),
    "null for a text": (changed("city", None), ["city"], "Input should be a valid string"),
    "a number for a nullable text": (changed("job", 7), ["job"], "Input should be a valid string or null"),
    "a number for a boolean": (changed("member", 1), ["member"], "Input should be a valid boolean"),
    "null for a boolean": (changed("member", None), ["member"], "Input should be a valid boolean"),
    "null for an integer": (changed("children", None), ["children"], "Input should be a valid number"),
    "half a child": (
        changed("children", 0.5),
        ["children"],
        f"Input should be a whole number from {-(2**63)} to {2**63 - 1}, as the model takes INT64",
    ),
    "beyond float32": (changed("age", 1e39), ["age"], "Input should be a finite number, also as float32"),
    "beyond float64": (
        changed("income", 10**400),
        ["income"],
        "Input should be a finite number, also as float32",
    ),
    "a row too short": (listed(ROWS[0])[1:], [], f"Input should be 6 values ({', '.join(NAMES)}), not 5"),
    "a misspelt feature": (
        {**{name: ROWS[0][name] for name in NAMES if name != "city"}, "City": "Rome"},
        ["city"],
        "Field required",
    ),
    "another name for a feature that may be missing": (
        {**{name: ROWS[0][name] for name in NAMES if name != "job"}, "Job": "clerk"},
        ["Job"],
        "Extra inputs are not permitted; the nearest feature is job",
    ),
    "a misspelt nullable feature": (
        {**ROWS[0], "Job": "clerk"},
        ["Job"],
        f"Extra inputs are not permitted; the features are {', '.join(NAMES)}",
    ),
}


@pytest.mark.parametrize(("row", "place", "message"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("before", [0, MANY], ids=["first", "late"])
def test_a_wrong_value_is_refused_with_its_place(
    client: httpx.Client, row: object, place: list[object], message: str, before: int
) -> None:
    filling = ROWS[0] if isinstance(row, dict) else listed(ROWS[0])
    text = str({"instances": [filling] * before + [row]})
    text = text.replace("'", '"').replace("None", "null").replace("True", "true").replace("False", "false")

    answer = client.post("/models/people/predict", content=text, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert (problem["loc"], problem["msg"]) == (["instances", before, *place], message)


BROKEN_JSON = {
    "NaN": (b'{"instances":[{"age":NaN,"job":"","income":1,"member":true,"children":1,"city":""}]}', 422),
    "Infinity": (b'{"instances":[{"age":Infinity,"job":"","income":1,"member":true,"children":1,"city":""}]}', 422),
    "half a surrogate": (
        rb'{"instances":[{"age":1,"job":"\ud800","income":1,"member":true,"children":1,"city":""}]}',
        422,
    ),
    "no UTF-8": (
        b'{"instances":[{"age":1,"job":"\xff","income":1,"member":true,"children":1,"city":""}]}',
        422,
    ),
    "mixed forms": (orjson.dumps({"instances": [ROWS[0], listed(ROWS[0])]}), 422),
    "no rows": (b'{"instances":[]}', 422),
    "empty rows": (b'{"instances":[[],[]]}', 422),
    "empty records": (b'{"instances":[{}]}', 422),
}


@pytest.mark.parametrize(("body", "status"), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_a_broken_body_is_refused(client: httpx.Client, body: bytes, status: int) -> None:
    answer = client.post("/models/people/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text


WRONG_COLUMNS: dict[str, tuple[Json, list[object], str]] = {
    "lengths": ({"job": ["clerk"]}, ["inputs", "job"], "Input should have as many values as age, 4"),
    "a value": ({"city": ["a", "b", 3, "d"]}, ["inputs", "city", 2], "Input should be a valid string"),
    "a name": ({"Age": []}, ["inputs", "Age"], f"Extra inputs are not permitted; the features are {', '.join(NAMES)}"),
}


def test_v1_takes_an_absent_column_for_missing_values(client: httpx.Client) -> None:
    inputs = {name: [row[name] for row in ROWS] for name in NAMES if name not in {"age", "job"}}
    missing = [None] * len(ROWS)

    answer = post(client, "/v1/models/people:predict", {"inputs": inputs})

    assert answer == post(client, "/v1/models/people:predict", {"inputs": {**inputs, "age": missing, "job": missing}})


def test_v1_names_the_nearest_absent_column(client: httpx.Client) -> None:
    inputs = {"Age" if name == "age" else name: [row[name] for row in ROWS] for name in NAMES}

    answer = client.post("/v1/models/people:predict", json={"inputs": inputs})

    assert answer.status_code == 400
    assert answer.json() == {"error": "inputs.Age: Extra inputs are not permitted; the nearest feature is age"}


@pytest.mark.parametrize(("change", "place", "message"), WRONG_COLUMNS.values(), ids=WRONG_COLUMNS)
def test_wrong_columns_are_refused(client: httpx.Client, change: Json, place: list[object], message: str) -> None:
    inputs = {name: [row[name] for row in ROWS] for name in NAMES} | change

    answer = client.post("/v1/models/people:predict", json={"inputs": inputs})

    assert answer.status_code == 400
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    assert answer.json() == {"error": f"{where}: {message}"}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"features": 2}]},
        {"inputs": {"features": [1, 2]}},
        {"inputs": {"features": [[1, 2, 3], 4]}},
        {"instances": [{"features": [1, 2, [3]]}]},
        {"instances": [{"feature": [1, 2, 3]}]},
    ],
    ids=["number", "numbers", "mixed", "deep", "name"],
)
def test_wrong_rows_of_numbers_are_refused(client: httpx.Client, body: Json) -> None:
    assert client.post("/v1/models/filled:predict", json=body).status_code == 400


def test_columns_without_values_are_refused(client: httpx.Client) -> None:
    answer = client.post("/v1/models/people:predict", json={"inputs": {name: [] for name in NAMES}})

    assert answer.status_code == 400
    assert answer.json() == {"error": "inputs.age: Input should have at least 1 value"}


WRONG_TENSORS: dict[str, tuple[str, Json, str]] = {
    "a name": ("job", {"name": "jobs"}, "inputs should be numbers, job, member, children, city, each once"),
    "a datatype": ("job", {"datatype": "FP32"}, "The datatype of job should be BYTES, as the model takes it"),
    "a shape": (
        "numbers",
        {"shape": [4, 3]},
        "The shape of numbers should be [rows, 2], with at least one row and as many as the other inputs",
    ),
    "other rows": (
        "city",
        {"shape": [3, 1], "data": ["a", "b", "c"]},
        "The shape of city should be [rows, 1], with at least one row and as many as the other inputs",
    ),
    "a count": ("city", {"data": ["a", "b"]}, "The data of city should be 4 values, not 2"),
    "lists": (
        "city",
        {"data": [["a"], ["b"], ["c"], ["d", "e"]]},
        "The data of city should be 4 lists of 1, as its shape says",
    ),
    "mixed lists": (
        "city",
        {"data": [["a"], "b", "c", "d"]},
        "The data of city should be 4 lists of 1, as its shape says",
    ),
    "a value": ("city", {"data": ["a", "b", 3, "d"]}, "city.data[2]: Input should be a valid string"),
    "a number": (
        "numbers",
        {"data": [1, 2, None, 4, 5, 6, 7, 8]},
        "numbers.data[2]: Input should be a valid number (income of row 1)",
    ),
    "a number in lists": (
        "numbers",
        {"data": [[1, 2], [3, 4], [5, "6"], [7, 8]]},
        "numbers.data[5]: Input should be a valid number or null (age of row 2)",
    ),
    "nothing": ("city", {"data": None}, "city should have either data or binary_data_size, and no shared memory"),
    "no data": ("city", {"data": []}, "The data of city should be 4 values, not 0"),
}


@pytest.mark.parametrize(("name", "change", "message"), WRONG_TENSORS.values(), ids=WRONG_TENSORS)
def test_a_wrong_tensor_is_refused(client: httpx.Client, name: str, change: Json, message: str) -> None:
    inputs = in_json()
    inputs[name] |= change

    answer = client.post("/v2/models/people/infer", json={"inputs": [*inputs.values()]})

    assert answer.status_code == 400
    assert answer.json() == {"error": message}


NO_UTF8 = as_bytes(tensors(ROWS)["job"]).replace(b"clerk", b"cl\xffrk")
WRONG_BYTES: dict[str, tuple[dict[str, bytes], bytes, str]] = {
    "cut off": ({"city": as_bytes(tensors(ROWS)["city"])[:-1]}, b"", "The bytes of city are cut off"),
    "no length": ({"city": as_bytes(tensors(ROWS)["city"])[:10]}, b"", "The bytes of city are cut off"),
    "too many": (
        {"city": as_bytes(tensors(ROWS)["city"]) + b"x"},
        b"",
        "The bytes of city should be 4 texts, each after its length, and nothing more",
    ),
    "no UTF-8": ({"job": NO_UTF8}, b"", "The texts of job should be UTF-8"),
    "a boolean of 2": ({"member": b"\x01\x02\x00\x00"}, b"", "The bytes of member should be 0 or 1"),
    "NaN where nothing may miss": (
        {"numbers": np.full((4, 2), np.nan, np.float32).tobytes()},
        b"",
        "numbers should be finite numbers, or NaN for a missing one that may be missing (income of row 0 is not)",
    ),
    "more": ({}, b"abc", "141 bytes should follow the JSON, as its binary_data_size says, not 144"),
    "a size": (
        {"numbers": b"1234"},
        b"",
        "The binary_data_size of numbers should be 32, as its shape says, not 4",
    ),
}


@pytest.mark.parametrize(("values", "more", "message"), WRONG_BYTES.values(), ids=WRONG_BYTES)
def test_wrong_bytes_are_refused(client: httpx.Client, values: dict[str, bytes], more: bytes, message: str) -> None:
    answer = infer_bytes(client, in_bytes(**values), more=more)

    assert answer.status_code == 400
    assert answer.json() == {"error": message}


@pytest.mark.parametrize("last", ["city", "numbers"])
def test_bytes_that_end_early_are_refused(client: httpx.Client, last: str) -> None:
    inputs = sorted(in_bytes(), key=lambda each: each[0]["name"] == last)
    head = [{**input, "parameters": {"binary_data_size": len(values)}} for input, values in inputs]
    text = orjson.dumps({"inputs": head})
    content = text + b"".join(values for _, values in inputs)[:-3]

    answer = client.post(
        "/v2/models/people/infer", content=content, headers={"Inference-Header-Content-Length": str(len(text))}
    )

    assert answer.status_code == 400
    assert answer.json() == {"error": f"The bytes of {last} are cut off"}


def test_only_bytes_are_not_enough_for_several_inputs(client: httpx.Client) -> None:
    answer = client.post("/v2/models/people/infer", content=b"1234", headers=ONLY_BYTES)

    assert answer.status_code == 400
    assert "more than one tensor of numbers" in answer.json()["error"]


NUMBERS = np.array([[0.5, 1.0, -2.0], [1.5, np.nan, 3.0], [0.0, np.nan, np.nan]], dtype=np.float32)
ALL_THERE = NUMBERS[:1].repeat(500, axis=0)  # the fast reader takes these


@pytest.mark.parametrize("numbers", [NUMBERS, ALL_THERE, NUMBERS.repeat(500, axis=0)], ids=["few", "all", "many"])
def test_numbers_may_be_missing_over_every_protocol(
    served: tuple[str, Path], client: httpx.Client, numbers: Array
) -> None:
    expected = Engine(served[1] / "filled" / "1" / "model.onnx", device="cpu").run(numbers)
    rows = orjson.loads(orjson.dumps(numbers.tolist()))  # null for NaN
    records = [{f"f{index}": value for index, value in enumerate(row) if value is not None} for row in rows]
    tensor = {"name": "features", "datatype": "FP32", "shape": list(numbers.shape)}
    for instances in (rows, records):
        answer = post(client, "/models/filled/predict", {"instances": instances, "include": ["logits"]})
        assert same(answer["logits"], expected["logits"])
    for body in ({"instances": rows}, {"instances": [{"features": row} for row in rows]}):
        answer = post(client, "/v1/models/filled:predict", body)
        assert same(answer["predictions"], expected["probabilities"])
    for inputs in (rows, {"features": rows}):
        answer = post(client, "/v1/models/filled:predict", {"inputs": inputs})
        assert same(answer["outputs"], expected["probabilities"])
    for data in (rows, [value for row in rows for value in row]):
        answer = post(client, "/v2/models/filled/infer", {"inputs": [{**tensor, "data": data}]})
        assert same(answer["outputs"][0]["data"], expected["logits"])
    raw = client.post("/v2/models/filled/infer", content=numbers.tobytes(), headers=ONLY_BYTES)
    start = int(raw.headers["Inference-Header-Content-Length"])
    assert raw.content[start:] == expected["logits"].tobytes() + expected["probabilities"].tobytes()


WRONG_ONLY_BYTES = {
    "a number that may not be missing": (np.array([np.nan, 1, 1], np.float32).tobytes(), "should be finite numbers"),
    "infinite": (np.array([1, np.inf, 1], np.float32).tobytes(), "should be finite numbers"),
    "cut off": (b"12345678901", "The body should be rows of 3 little-endian FP32 numbers, at least one row"),
}


@pytest.mark.parametrize(("body", "message"), WRONG_ONLY_BYTES.values(), ids=WRONG_ONLY_BYTES)
def test_wrong_only_bytes_are_refused(client: httpx.Client, body: bytes, message: str) -> None:
    answer = client.post("/v2/models/filled/infer", content=body, headers=ONLY_BYTES)

    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_number_that_may_not_be_missing_is_refused(client: httpx.Client) -> None:
    answer = client.post("/models/filled/predict", json={"instances": [[None, 1, 1]]})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["instances", 0, 0]


def test_trust_outputs_need_calibration(client: httpx.Client) -> None:
    body = {"inputs": [*in_json().values()], "outputs": [{"name": "typicality"}]}

    answer = client.post("/v2/models/people/infer", json=body)

    assert answer.status_code == 400
    assert "typicality" in answer.json()["error"]


def test_rows_beyond_the_limit_are_refused_over_every_protocol(client: httpx.Client) -> None:
    rows = MAX_ROWS + 1
    values = bytes(12 * rows)
    tensor = {
        "name": "features",
        "datatype": "FP32",
        "shape": [rows, 3],
        "parameters": {"binary_data_size": len(values)},
    }
    text = orjson.dumps({"inputs": [tensor]})
    headers = {"Inference-Header-Content-Length": str(len(text))}
    records = orjson.dumps({"instances": [ROWS[0]] * rows})
    answers = [
        client.post("/models/people/predict", content=records),
        client.post("/v1/models/people:predict", content=records),
        client.post("/v1/models/people:predict", json={"inputs": {name: [1] * rows for name in NAMES}}),
        client.post("/v2/models/filled/infer", content=text + values, headers=headers),
        client.post("/v2/models/filled/infer", content=values, headers=ONLY_BYTES),
    ]
    assert [answer.status_code for answer in answers] == [413] * len(answers)


def test_the_examples_of_the_documentation_are_of_a_table(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/predict", "/v1/models/{name}:predict", "/v1/models/{name}:classify", "/v2/models/{name}/infer"):
        examples = paths[path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for example in examples.values():
            post(client, path.replace("{name}", "people"), example["value"])
