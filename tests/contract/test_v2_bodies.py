"""Every wrong body of an inference over `/v2`, by HTTP, and its sentence."""

import httpx
import numpy as np
import pytest

from tests.support.v2 import INFER, MIB, Json, in_bytes, joined, tensor


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], "Input should be an object"),
        ({}, "inputs: Field required"),
        ({"inputs": None}, "inputs: Input should be a valid array"),
        ({"inputs": []}, "inputs: List should have at least 1 item after validation, not 0"),
        ({"inputs": [1]}, "inputs[0]: Input should be an object"),
        ({"inputs": [tensor(), tensor()]}, "inputs should be one tensor, named features"),
        ({"inputs": [tensor(name="x")]}, "inputs should be one tensor, named features"),
        ({"inputs": [tensor(name=...)]}, "inputs[0].name: Field required"),
        ({"inputs": [tensor(name=1)]}, "inputs[0].name: Input should be a valid string"),
        ({"inputs": [tensor(shape=...)]}, "inputs[0].shape: Field required"),
        ({"inputs": [tensor(shape="4")]}, "inputs[0].shape: Input should be a valid array"),
        ({"inputs": [tensor(shape=[4.0, 2])]}, "inputs[0].shape[0]: Input should be a valid integer"),
        ({"inputs": [tensor(shape=[True, 2])]}, "inputs[0].shape[0]: Input should be a valid integer"),
        ({"inputs": [tensor(shape=[-1, 2])]}, "inputs[0].shape[0]: Input should be greater than or equal to 0"),
        ({"inputs": [tensor(shape=[])]}, "The shape of features should be [rows, 2], with at least one row"),
        ({"inputs": [tensor(shape=[8])]}, "The shape of features should be [rows, 2], with at least one row"),
        ({"inputs": [tensor(shape=[2, 4])]}, "The shape of features should be [rows, 2], with at least one row"),
        ({"inputs": [tensor(shape=[2, 2, 2])]}, "The shape of features should be [rows, 2], with at least one row"),
        ({"inputs": [tensor((), shape=[0, 2])]}, "The shape of features should be [rows, 2], with at least one row"),
        ({"inputs": [tensor(datatype=...)]}, "inputs[0].datatype: Field required"),
        *(
            (
                {"inputs": [tensor(datatype=datatype)]},
                f"The datatype of features should be FP32, as the model takes it, not {datatype}",
            )
            for datatype in ("FP64", "FP16", "BF16", "INT8", "INT64", "UINT8", "UINT64", "BOOL", "BYTES")
        ),
        *(
            (
                {"inputs": [tensor(datatype=datatype)]},
                "The datatype of features should be FP32, as the model takes it, not something else",
            )
            for datatype in ("fp32", "", "\0", "☃" * 1000)
        ),
        ({"inputs": [tensor(shape=[3, 2])]}, "The data of features should be 6 numbers, as its shape says, not 8"),
        ({"inputs": [tensor(data=[])]}, "The data of features should be 8 numbers, as its shape says, not 0"),
        (
            {"inputs": [tensor(data=[[1, 2]] * 3)]},
            "The data of features should be 4 lists of 2 numbers, as its shape says",
        ),
        (
            {"inputs": [tensor(data=[[1, 2, 3, 4], [1, 2, 3, 4]])]},
            "The data of features should be 4 lists of 2 numbers, as its shape says",
        ),
        (
            {"inputs": [tensor(data=[[1], [1, 2, 3], [1, 2], [1, 2]])]},
            "The data of features should be 4 lists of 2 numbers, as its shape says",
        ),
        ({"inputs": [tensor(data="AAAA")]}, "inputs[0].data: Input should be a valid array"),
        ({"inputs": [tensor(data=[1, "2"])]}, "inputs[0].data[1]: Input should be a valid number"),
        ({"inputs": [tensor(data=[1, True])]}, "inputs[0].data[1]: Input should be a valid number"),
        ({"inputs": [tensor(data=[1, None])]}, "inputs[0].data[1]: Input should be a valid number"),
        ({"inputs": [tensor(data=[1, [2]])]}, "inputs[0].data[1]: Input should be a valid number"),
        ({"inputs": [tensor(data=[[1, 2], 3])]}, "inputs[0].data[1]: Input should be a valid array"),
        ({"inputs": [tensor(data=[[[1, 2]]])]}, "inputs[0].data[0][0]: Input should be a valid number"),
        ({"inputs": [tensor([[1, 1e39]])]}, "features should be finite numbers, also as float32"),
        ({"inputs": [tensor([[1, 3.4028235677973366e38]])]}, "features should be finite numbers, also as float32"),
        ({"inputs": [tensor([[3.4e38, 3.4e38]])]}, "Row 0 has numbers for which the model's output is not finite"),
        ({"inputs": [tensor(data=...)]}, "features should have either data or binary_data_size, and no shared memory"),
        (
            {"inputs": [tensor(parameters={"binary_data_size": 32})]},
            "features should have either data or binary_data_size, and no shared memory",
        ),
        (
            {"inputs": [tensor(data=..., parameters={"shared_memory_region": "r", "shared_memory_byte_size": 32})]},
            "features should have either data or binary_data_size, and no shared memory",
        ),
        (
            {"inputs": [tensor(parameters={"shared_memory_region": "r"})]},
            "features should have either data or binary_data_size, and no shared memory",
        ),
        ({"inputs": [tensor(parameters=[])]}, "inputs[0].parameters: Input should be an object"),
        (
            {"inputs": [tensor(data=..., parameters={"binary_data_size": "32"})]},
            "inputs[0].parameters.binary_data_size: Input should be a valid integer",
        ),
        (
            {"inputs": [in_bytes()[0]]},
            "32 bytes should follow the JSON, as its binary_data_size says, not 0",
        ),
        ({"inputs": [tensor()], "id": 1}, "id: Input should be a valid string"),
        ({"inputs": [tensor()], "parameters": []}, "parameters: Input should be an object"),
        (
            {"inputs": [tensor()], "parameters": {"binary_data_output": 1}},
            "parameters.binary_data_output: Input should be a valid boolean",
        ),
        ({"inputs": [tensor()], "outputs": {}}, "outputs: Input should be a valid array"),
        ({"inputs": [tensor()], "outputs": [{}]}, "outputs[0].name: Field required"),
        ({"inputs": [tensor()], "outputs": ["logits"]}, "outputs[0]: Input should be an object"),
        *(
            (
                {"inputs": [tensor()], "outputs": [{"name": name} for name in names]},
                "outputs should be among logits, probabilities, atypicality, typicality, prediction_sets, each once",
            )
            for names in (["x"], ["logits", "x"], ["logits", "logits"], ["logits", "probabilities", "logits"])
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
            "outputs[0].parameters.classification: Input should be greater than or equal to 0",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "logits", "parameters": {"classification": 1.0}}]},
            "outputs[0].parameters.classification: Input should be a valid integer",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "logits", "parameters": {"binary_data": "yes"}}]},
            "outputs[0].parameters.binary_data: Input should be a valid boolean",
        ),
        (
            {"inputs": [tensor()], "outputs": [{"name": "logits", "parameters": {"shared_memory_region": "r"}}]},
            "outputs should not be in shared memory: there is none",
        ),
    ],
)
def test_a_wrong_body_is_400_with_the_reason(client: httpx.Client, body: object, error: str) -> None:
    response = client.post(INFER, json=body)

    assert (response.status_code, response.json()) == (400, {"error": error})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"inputs": [',
        b"{} x",
        b"\xef\xbb\xbf{}",
        b'{"id": "\xff"}',
        b'{"id": "\\ud800", "inputs": []}',
        b'{"inputs": ' + b"[" * 150_000,
        "{}".encode("utf-16"),
        b'{"inputs": [{"data": [1, NaN]}]}',
        b'{"x": NaN, "inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
        b'{"inputs": [{"data": [1, -Infinity]}]}',
        b'{"inputs": [{"data": [1, 1e999]}]}',
        b'{"inputs": [{"data": [1, 1' + b"0" * 5000 + b"]}]}",
        b'{"inputs": [{"data": [1, 01]}]}',
    ],
)
def test_other_bodies_than_json_are_400(client: httpx.Client, body: bytes) -> None:
    response = client.post(INFER, content=body)

    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert response.headers["content-type"] == "application/json"
    assert len(response.content) < 1024


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["binary", "raw"])
def test_bytes_that_are_not_finite_are_400(client: httpx.Client, value: float, form: str) -> None:
    written, raw = in_bytes([[1, 2], [3, value]])
    written["data"] = None
    body, headers = joined({"inputs": [written]}, raw) if form == "binary" else (raw, {})

    response = client.post(INFER, content=body, headers={"Inference-Header-Content-Length": "0", **headers})

    assert (response.status_code, response.json()) == (
        400,
        {"error": "features should be finite numbers, also as float32"},
    )


@pytest.mark.parametrize(
    ("changes", "sent", "error"),
    [
        ({}, 31, "32 bytes should follow the JSON, as its binary_data_size says, not 31"),
        ({}, 33, "32 bytes should follow the JSON, as its binary_data_size says, not 33"),
        ({"parameters": {"binary_data_size": 31}}, 31, "The binary_data_size of features should be 32, as its shape"),
        ({"parameters": {"binary_data_size": 36}}, 36, "The binary_data_size of features should be 32, as its shape"),
        ({"data": [0] * 8, "parameters": ...}, 4, "0 bytes should follow the JSON"),
    ],
)
def test_bytes_that_are_too_few_or_too_many_are_400(client: httpx.Client, changes: Json, sent: int, error: str) -> None:
    body, headers = joined({"inputs": [in_bytes(**changes)[0]]}, bytes(sent))

    response = client.post(INFER, content=body, headers=headers)

    assert response.status_code == 400
    assert response.json()["error"].startswith(error)


@pytest.mark.parametrize("length", ["-1", "+2", "2.0", "abc", "", "0x2", "3", "99999999999999999999", "9" * 5000, "²"])
def test_a_length_of_the_json_that_is_none_is_400(client: httpx.Client, length: str) -> None:
    headers = [(b"Inference-Header-Content-Length", length.encode())]

    response = client.post(INFER, content=b"{}", headers=headers)

    assert (response.status_code, response.json()) == (
        400,
        {"error": "Inference-Header-Content-Length should be the number of bytes of the JSON part of the body"},
    )


@pytest.mark.parametrize("size", [0, 4, 7, 9, 12])
def test_a_raw_body_that_is_not_whole_rows_is_400(client: httpx.Client, size: int) -> None:
    response = client.post(INFER, content=bytes(size), headers={"Inference-Header-Content-Length": "0"})

    assert (response.status_code, response.json()) == (
        400,
        {"error": "The body should be rows of 2 little-endian FP32 numbers, at least one row"},
    )


def test_more_rows_than_the_limit_are_413_in_every_form(client: httpx.Client) -> None:
    shape = [100_001, 2]
    raw = bytes(100_001 * 8)
    for body, headers in (
        joined({"inputs": [tensor((), shape=shape, data=[0] * 200_002)]}),
        joined({"inputs": [tensor((), shape=shape, data=..., parameters={"binary_data_size": len(raw)})]}, raw),
        (raw, {"Inference-Header-Content-Length": "0"}),
    ):
        response = client.post(INFER, content=body, headers=headers)

        assert response.status_code == 413
        assert response.json() == {"error": "100001 rows are more than the 100000 that one request may have"}


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_large_is_413(client: httpx.Client, chunked: bool) -> None:
    body = b" " * (8 * MIB + 1)

    response = client.post(INFER, content=iter([body]) if chunked else body)

    assert (response.status_code, response.headers["connection"]) == (413, "close")
    assert response.json() == {"error": "The body is larger than 8388608 bytes"}
