"""`:predict` and `:classify`, by HTTP, against the committed blobs classifier."""

import json

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import bits
from tests.support.paths import MODELS
from tests.support.v1 import CLASSIFY, EXAMPLES, GOOD, LABELS, PREDICT, ROWS, error_of

Outputs = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def outputs(version: str) -> Outputs:
    """The outputs of the ONNX file for the rows, without a service."""
    return Engine(MODELS / "blobs" / version / "model.onnx", device="cpu").run(np.array(ROWS, np.float32))


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ROWS},
        {"instances": [{"features": row} for row in ROWS]},
        {"inputs": ROWS},
        {"inputs": {"features": ROWS}},
    ],
    ids=["rows", "rows by name", "columns", "columns by name"],
)
@pytest.mark.parametrize("signature", [None, "serving_default", "logits"])
@pytest.mark.parametrize("path", ["/v1/models/blobs:predict", "/v1/models/blobs/versions/{}:predict"])
def test_predicts_the_very_numbers_of_the_onnx_file(
    client: httpx.Client, version: str, outputs: Outputs, path: str, body: dict[str, object], signature: str | None
) -> None:
    chosen = {} if signature is None else {"signature_name": signature}

    response = client.post(path.format(version), json={**body, **chosen})

    answer = "predictions" if "instances" in body else "outputs"
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert list(response.json()) == [answer]
    assert bits(response.json()[answer]) == outputs["logits" if signature == "logits" else "probabilities"].tobytes()


@pytest.mark.parametrize("path", GOOD)
def test_a_header_names_the_version_that_answered(client: httpx.Client, version: str, path: str) -> None:
    assert client.post(path, content=GOOD[path]).headers["x-model-version"] == version


@pytest.mark.parametrize("row", range(len(ROWS)))
def test_predicts_one_row_as_among_others(client: httpx.Client, row: int) -> None:
    alone = client.post(PREDICT, json={"instances": [ROWS[row]]}).json()["predictions"]

    assert alone == client.post(PREDICT, json={"instances": ROWS}).json()["predictions"][row : row + 1]


@pytest.mark.parametrize("examples", [EXAMPLES, [{"x2": [x2], "x1": [x1]} for x1, x2 in ROWS]])
@pytest.mark.parametrize("path", ["/v1/models/blobs:classify", "/v1/models/blobs/versions/{}:classify"])
def test_classifies_with_the_very_scores_of_the_onnx_file(
    client: httpx.Client, version: str, outputs: Outputs, path: str, examples: object
) -> None:
    response = client.post(path.format(version), json={"examples": examples, "context": {}})

    results = response.json()["results"]
    assert (response.status_code, list(response.json())) == (200, ["results"])
    assert [[label for label, _ in result] for result in results] == [LABELS] * len(ROWS)
    assert bits([[score for _, score in result] for result in results]) == outputs["probabilities"].tobytes()


def test_classifies_by_logits_when_asked_to(client: httpx.Client, outputs: Outputs) -> None:
    results = client.post(CLASSIFY, json={"examples": EXAMPLES, "signature_name": "logits"}).json()["results"]

    assert bits([[score for _, score in result] for result in results]) == outputs["logits"].tobytes()


def test_answers_as_the_native_interface_does(client: httpx.Client) -> None:
    answer = client.post("/predict", json={"instances": ROWS, "include": ["logits"]}).json()

    assert client.post(PREDICT, json={"instances": ROWS}).json()["predictions"] == answer["probabilities"]
    assert client.post(PREDICT, json={"inputs": ROWS, "signature_name": "logits"}).json()["outputs"] == answer["logits"]


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "application/octet-stream", "text/plain", "nonsense", ""]
)
def test_never_decides_by_the_content_type(client: httpx.Client, path: str, content_type: str) -> None:
    response = client.post(path, content=GOOD[path], headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("other", [b'"id": "a"', b'"parameters": {"NaN": ["Infinity", null]}', b'"x": "NaN"'])
def test_unknown_keys_are_ignored(client: httpx.Client, path: str, other: bytes) -> None:
    assert client.post(path, content=GOOD[path][:-1] + b", " + other + b"}").status_code == 200


LARGE = [[index / 4096, 1.0] for index in range(1000)]


@pytest.mark.parametrize("field", ["instances", "inputs"])
def test_reads_a_large_body_as_a_small_one(client: httpx.Client, version: str, field: str) -> None:
    nested = {"x": {"instances": [[1]]}} if field == "inputs" else {"x": [["inputs"]]}

    answers = [
        client.post(PREDICT, json={field: LARGE, "signature_name": "logits"}),
        client.post(PREDICT, json={**nested, field: LARGE, "signature_name": "logits"}),
        client.post(PREDICT, json={"x": {field: LARGE[::-1]}, "inputs": LARGE, "signature_name": "logits"}),
    ]

    logits = Engine(MODELS / "blobs" / version / "model.onnx", device="cpu").run(np.array(LARGE, np.float32))["logits"]
    for answer in answers:
        assert bits(next(iter(answer.json().values()))) == logits.tobytes()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"instances": LARGE, "inputs": [[1, 2]]}, "Input should have either instances or inputs"),
        ({"instances": [[1, 2]], "inputs": LARGE}, "Input should have either instances or inputs"),
        ({"x": {"instances": LARGE}}, "Input should have either instances or inputs"),
        ({"instances": LARGE, "x": [float("nan")]}, "Invalid JSON: NaN and Infinity are not numbers"),
        ({"instances": [[1, 2, 3]] * 1000}, "instances[0]: Input should be 2 numbers (x1, x2), not 3"),
        ({"instances": [*LARGE, [1]]}, "instances[1000]: Input should be 2 numbers (x1, x2), not 1"),
        ({"inputs": [*LARGE, [1, 1e39]]}, "inputs[1000][1]: Input should be a finite number, also as float32"),
        ({"inputs": [*LARGE, [1, "2"]]}, "inputs[1000][1]: Input should be a valid number"),
    ],
)
def test_refuses_a_large_body_as_a_small_one(client: httpx.Client, body: object, sentence: str) -> None:
    assert error_of(client.post(PREDICT, content=json.dumps(body))) == (400, sentence)


def test_takes_as_many_rows_as_its_limit(client: httpx.Client) -> None:
    response = client.post(PREDICT, json={"instances": [[1, 2]] * 100_000})

    assert len(response.json()["predictions"]) == 100_000
