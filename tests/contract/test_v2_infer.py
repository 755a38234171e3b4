"""Inference over `/v2`, by HTTP: JSON and bytes, and the classification extension."""

import json

import httpx
import numpy as np
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import assert_same, float32
from tests.support.v2 import AWKWARD, INFER, NEAR_THE_CENTRES, Json, in_bytes, joined, outputs_of, tensor


def test_answers_in_the_form_of_the_protocol(client: httpx.Client, version: str) -> None:
    response = client.post(INFER, content=b'{"inputs":[' + json.dumps(tensor([[15.2, 0.3]])).encode() + b"]}")

    answer = response.json()
    assert response.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in response.headers
    assert list(answer) == ["model_name", "model_version", "outputs"]
    assert (answer["model_name"], answer["model_version"]) == ("blobs", version)
    assert [{**output, "data": len(output["data"])} for output in answer["outputs"]] == [
        {"name": "logits", "datatype": "FP32", "shape": [1, 4], "data": 4},
        {"name": "probabilities", "datatype": "FP32", "shape": [1, 4], "data": 4},
    ]


@pytest.mark.parametrize("rows", [NEAR_THE_CENTRES, AWKWARD, NEAR_THE_CENTRES[:1], NEAR_THE_CENTRES * 100])
@pytest.mark.parametrize("form", ["flat", "nested", "binary in", "binary out", "binary in and out", "mixed", "raw"])
def test_answers_the_very_bits_of_the_onnx_file(
    client: httpx.Client, engine: Engine, rows: list[list[float]], form: str
) -> None:
    written, raw = in_bytes(rows)
    both_ways = [{"name": "logits", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    body, headers = {
        "flat": joined({"inputs": [tensor(rows)]}),
        "nested": joined({"inputs": [tensor(rows, data=rows)]}),
        "binary in": joined({"inputs": [written]}, raw),
        "binary out": joined({"inputs": [tensor(rows)], "parameters": {"binary_data_output": True}}),
        "binary in and out": joined({"inputs": [written], "parameters": {"binary_data_output": True}}, raw),
        "mixed": joined({"inputs": [written], "outputs": both_ways}, raw),
        "raw": (raw, {"Inference-Header-Content-Length": "0"}),
    }[form]

    found = outputs_of(client.post(INFER, content=body, headers=headers))

    assert found.keys() == {"logits", "probabilities"}
    assert_same(found, engine.run(float32(rows)))


def test_a_version_answers_as_its_model(client: httpx.Client, version: str) -> None:
    body = {"inputs": [tensor()]}

    assert client.post(f"/v2/models/blobs/versions/{version}/infer", json=body).json() == (
        client.post(INFER, json=body).json()
    )


@pytest.mark.parametrize("names", [["logits"], ["probabilities"], ["probabilities", "logits"]])
def test_answers_with_the_outputs_that_are_requested(client: httpx.Client, names: list[str]) -> None:
    body = {"inputs": [tensor()], "outputs": [{"name": name} for name in names]}

    assert [output["name"] for output in client.post(INFER, json=body).json()["outputs"]] == names


@pytest.mark.parametrize(
    ("everything", "own", "is_binary"),
    [
        (True, {}, True),
        (False, {}, False),
        (None, {"binary_data": True}, True),
        (True, {"binary_data": False}, False),
        (False, {"binary_data": True}, True),
        (True, {"binary_data": None}, True),
        (True, {"classification": 0}, True),
    ],
)
def test_an_output_s_own_parameter_overrides_that_of_the_request(
    client: httpx.Client, everything: bool | None, own: Json, is_binary: bool
) -> None:
    body = {
        "inputs": [tensor()],
        "outputs": [{"name": "logits", "parameters": own}],
        "parameters": {"binary_data_output": everything},
    }

    response = client.post(INFER, json=body)

    assert response.headers["content-type"] == ("application/octet-stream" if is_binary else "application/json")
    assert ("inference-header-content-length" in response.headers) == is_binary
    assert outputs_of(response).keys() == {"logits"}


@pytest.mark.parametrize("identifier", ["42", "", "é ☃ 😀", 'a "quoted" \\ one\n', "x" * 10_000])
@pytest.mark.parametrize("binary", [True, False])
def test_the_id_comes_back(client: httpx.Client, identifier: str, binary: bool) -> None:
    body = {"id": identifier, "inputs": [tensor()], "parameters": {"binary_data_output": binary}}

    response = client.post(INFER, json=body)

    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    assert json.loads(response.content[:length])["id"] == identifier


def test_unknown_keys_are_ignored(client: httpx.Client) -> None:
    body = {
        "model_name": "other",
        "inputs": [tensor(parameters={"content_type": "np", "x": [1]}, other={"data": 1})],
        "outputs": [{"name": "logits", "parameters": {"x": {}}, "other": None}],
        "parameters": {"priority": 3, "timeout": 1000, "sequence_id": "s", "x": [[]]},
    }

    assert client.post(INFER, json=body).status_code == 200


def test_null_is_as_good_as_absent(client: httpx.Client) -> None:
    body = {"id": None, "parameters": None, "outputs": None, "inputs": [tensor(parameters=None)]}

    answer = client.post(INFER, json=body)

    assert answer.json() == client.post(INFER, json={"inputs": [tensor()]}).json()
    for changes in (
        {"outputs": [], "parameters": {"binary_data_output": None}},
        {"inputs": [tensor(parameters={"binary_data_size": None, "shared_memory_region": None})]},
        {
            "outputs": [
                {"name": "logits", "parameters": None},
                {
                    "name": "probabilities",
                    "parameters": {"binary_data": None, "classification": None, "shared_memory_region": None},
                },
            ]
        },
    ):
        assert client.post(INFER, json={**body, **changes}).content == answer.content
    written, raw = in_bytes(data=None)
    content, headers = joined({"inputs": [written]}, raw)
    assert client.post(INFER, content=content, headers=headers).content == answer.content


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/octet-stream", "application/x-www-form-urlencoded", "", "x; y"]
)
def test_any_content_type_will_do(client: httpx.Client, engine: Engine, content_type: str) -> None:
    for request, raw in (({"inputs": [tensor()]}, b""), ({"inputs": [in_bytes()[0]]}, in_bytes()[1])):
        body, headers = joined(request, raw)
        response = client.post(INFER, content=body, headers={**headers, "Content-Type": content_type})

        assert_same(outputs_of(response), engine.run(float32(NEAR_THE_CENTRES)))


@pytest.mark.parametrize(
    "header", ["0", "00", "000000000000000000"], ids=["0", "00", "the most digits that a length may have"]
)
def test_a_raw_body_is_the_tensor(client: httpx.Client, engine: Engine, header: str) -> None:
    raw = float32(NEAR_THE_CENTRES).tobytes()

    response = client.post(INFER, content=raw, headers={"Inference-Header-Content-Length": header})

    assert response.headers["content-type"] == "application/octet-stream"
    assert_same(outputs_of(response), engine.run(float32(NEAR_THE_CENTRES)))


def test_a_body_of_one_byte_a_chunk_is_read(client: httpx.Client, engine: Engine) -> None:
    body, headers = joined({"inputs": [in_bytes()[0]]}, in_bytes()[1])

    response = client.post(INFER, content=(bytes([byte]) for byte in body), headers=headers)

    assert_same(outputs_of(response), engine.run(float32(NEAR_THE_CENTRES)))


def test_takes_100_000_rows_in_every_form(client: httpx.Client, engine: Engine) -> None:
    rows = np.random.default_rng(7).uniform(-10, 40, (100_000, 2)).astype(np.float32)
    wanted = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    size = {"binary_data_size": rows.nbytes}
    expected = engine.run(rows)
    in_json = {"inputs": [tensor((), shape=[100_000, 2], data=rows.ravel().tolist())], "outputs": wanted}
    in_binary = {"inputs": [tensor((), shape=[100_000, 2], data=..., parameters=size)]}

    for body, headers in (joined(in_json), joined(in_binary, rows.tobytes())):
        assert_same(outputs_of(client.post(INFER, content=body, headers=headers)), expected)


@pytest.mark.parametrize(("k", "named"), [(1, 1), (2, 2), (4, 4), (5, 4), (2**31, 4)])
@pytest.mark.parametrize("name", ["probabilities", "logits"])
def test_names_the_best_classes(client: httpx.Client, engine: Engine, k: int, named: int, name: str) -> None:
    body = {"inputs": [tensor()], "outputs": [{"name": name, "parameters": {"classification": k}}]}

    answer = client.post(INFER, json=body).json()

    values = engine.run(float32(NEAR_THE_CENTRES))[name]
    expected = [
        f"{row[index]:f}:{index}:blob-{index}" for row in values for index in np.argsort(-row, kind="stable")[:named]
    ]
    assert answer["outputs"] == [{"name": name, "datatype": "BYTES", "shape": [4, named], "data": expected}]


def test_names_classes_as_bytes_beside_numbers(client: httpx.Client, engine: Engine) -> None:
    body = {
        "inputs": [tensor([[15.2, 0.3]])],
        "outputs": [
            {"name": "logits", "parameters": {"binary_data": True}},
            {"name": "probabilities", "parameters": {"binary_data": True, "classification": 2}},
        ],
    }

    response = client.post(INFER, json=body)

    length = int(response.headers["inference-header-content-length"])
    logits, probabilities = json.loads(response.content[:length])["outputs"]
    best, second = b"1.000000:0:blob-0", b"0.000000:1:blob-1"
    strings = b"\x11\x00\x00\x00" + best + b"\x11\x00\x00\x00" + second
    assert logits["parameters"] == {"binary_data_size": 16}
    assert probabilities == {
        "name": "probabilities",
        "datatype": "BYTES",
        "shape": [1, 2],
        "parameters": {"binary_data_size": len(strings)},
    }
    assert response.content[length:] == engine.run(float32([[15.2, 0.3]]))["logits"].tobytes() + strings
