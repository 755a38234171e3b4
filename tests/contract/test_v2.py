"""The Open Inference Protocol, `/v2`, by HTTP, against the committed blobs classifier (docs/protocols.md)."""

import contextlib
import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import assert_same, float32
from tests.support.paths import MODELS
from tests.support.v2 import joined, outputs_of

INFER = "/v2/models/blobs/infer"
NEAR_THE_CENTRES = [[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [30.3, 14.9]]
AWKWARD = [[-0.0, 5e-324], [1e-45, -1e-38], [0.1, 1 / 3], [16777217, -2147483649], [12.345678901234567, -1e4]]
MIB = 2**20

Json = dict[str, Any]


@pytest.fixture(scope="module")
def version(client: httpx.Client) -> str:
    return str(client.get("/models/blobs").json()["version"])


@pytest.fixture(scope="module")
def engine(version: str) -> Engine:
    return Engine(MODELS / "blobs" / version / "model.onnx", device="cpu")


@pytest.fixture(scope="module")
def plain(base_url: str) -> Iterator[httpx.Client]:
    """A client that accepts no compression."""
    with httpx.Client(base_url=base_url, timeout=30, headers={"Accept-Encoding": "identity"}) as client:
        yield client


def tensor(rows: Sequence[Sequence[float]] = NEAR_THE_CENTRES, **changes: object) -> Json:
    """Return an input with flat data; a change to `...` leaves the key out."""
    whole = {
        "name": "features",
        "shape": [len(rows), 2],
        "datatype": "FP32",
        "data": [number for row in rows for number in row],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not ...}


def in_bytes(rows: Sequence[Sequence[float]] = NEAR_THE_CENTRES, **changes: object) -> tuple[Json, bytes]:
    """Return an input whose tensor follows the JSON, and the tensor."""
    raw = float32(rows).tobytes()
    return tensor(rows, **{"data": ..., "parameters": {"binary_data_size": len(raw)}, **changes}), raw


def connected(base_url: str) -> socket.socket:
    address = urlsplit(base_url)
    return socket.create_connection((address.hostname, address.port or 80), timeout=30)


# --- what it says of itself ---


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/blobs/ready", {"name": "blobs", "ready": True}),
        ("/v2/models/blobs/versions/{}/ready", {"name": "blobs", "ready": True}),
    ],
)
def test_it_is_alive_and_ready(client: httpx.Client, version: str, path: str, answer: Json) -> None:
    response = client.get(path.format(version))

    assert (response.status_code, response.json()) == (200, answer)
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_names_the_extensions_that_it_has(client: httpx.Client, path: str) -> None:
    answer = client.get(path).json()

    assert {**answer, "version": ""} == {
        "name": "softmaxd",
        "version": "",
        "extensions": ["binary_tensor_data", "classification", "model_configuration", "statistics"],
    }


@pytest.mark.parametrize("path", ["/v2/models/blobs", "/v2/models/blobs/versions/{}"])
def test_a_model_is_described_by_its_tensors(client: httpx.Client, version: str, path: str) -> None:
    answer = client.get(path.format(version)).json()

    assert version in answer["versions"]
    assert {**answer, "versions": []} == {
        "name": "blobs",
        "versions": [],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [
            {"name": "logits", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 4]},
        ],
    }


@pytest.mark.parametrize("path", ["/v2/models/blobs/config", "/v2/models/blobs/versions/{}/config"])
def test_a_model_has_a_configuration_as_triton_gives_it(client: httpx.Client, version: str, path: str) -> None:
    assert client.get(path.format(version)).json() == {
        "name": "blobs",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"all": {}},
        "max_batch_size": 100_000,
        "input": [{"name": "features", "data_type": "TYPE_FP32", "dims": [2]}],
        "output": [
            {"name": "logits", "data_type": "TYPE_FP32", "dims": [4]},
            {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [4]},
        ],
        "dynamic_batching": {},
        "default_model_filename": "model.onnx",
    }


def test_the_models_are_listed(client: httpx.Client) -> None:
    assert "blobs" in client.get("/v2/models").json()["models"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": true}', b'{"ready": null, "other": 1}'])
def test_the_repository_lists_every_version(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v2/repository/index", content=body)

    folders = sorted((path.parent.parent.name, path.parent.name) for path in MODELS.glob("*/*/manifest.json"))
    assert response.status_code == 200
    assert response.json() == [
        {"name": name, "version": number, "state": "READY", "reason": ""} for name, number in folders
    ]


@pytest.mark.parametrize("path", ["/v2/models/stats", "/v2/models/blobs/stats", "/v2/models/blobs/versions/{}/stats"])
def test_the_statistics_count_rows_requests_and_runs(client: httpx.Client, version: str, path: str) -> None:
    def count() -> Json:
        stats: list[Json] = client.get(path.format(version)).json()["model_stats"]
        [found] = [each for each in stats if (each["name"], each["version"]) == ("blobs", version)]
        return found

    before = count()
    client.post(INFER, json={"inputs": [tensor()]})
    client.post("/predict", json={"instances": [[1, 2]]})
    client.post(INFER, json={"inputs": []})  # is refused, so nothing ran
    after = count()

    assert after["inference_count"] - before["inference_count"] == 5
    assert after["execution_count"] - before["execution_count"] == 2
    assert 0 < after["last_inference"] >= before["last_inference"]
    for name, requests in (("success", 2), ("queue", 2), ("compute_infer", 2), ("fail", 0), ("cache_hit", 0)):
        before_it, after_it = before["inference_stats"][name], after["inference_stats"][name]
        assert after_it["count"] - before_it["count"] == requests, name
    for name in ("success", "compute_infer"):
        assert after["inference_stats"][name]["ns"] > before["inference_stats"][name]["ns"]
    assert after["batch_stats"] == []


# --- what it infers ---


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


# --- classification ---


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


# --- compression ---

DEFLATE: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
INFLATE: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress}
MANY = {"inputs": [tensor(NEAR_THE_CENTRES * 100)]}


@pytest.mark.parametrize("encoding", DEFLATE)
@pytest.mark.parametrize("upper", [True, False])
def test_takes_compressed_bodies(client: httpx.Client, engine: Engine, encoding: str, upper: bool) -> None:
    body, headers = joined({"inputs": [in_bytes()[0]]}, in_bytes()[1])
    headers["Content-Encoding"] = encoding.upper() if upper else encoding

    response = client.post(INFER, content=DEFLATE[encoding](body), headers=headers)

    assert_same(outputs_of(response), engine.run(float32(NEAR_THE_CENTRES)))


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate, gzip;q=0.5, br", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("GZIP", "gzip"),
        ("br, zstd, *", None),
        ("gzip;q=0", None),
        ("gzip;q=x", None),
        ("", None),
        ("identity", None),
    ],
)
@pytest.mark.parametrize("binary", [True, False])
def test_compresses_an_answer_only_as_is_accepted(
    plain: httpx.Client, accepted: str, encoding: str | None, binary: bool
) -> None:
    body = {**MANY, "parameters": {"binary_data_output": binary}}
    expected = plain.post(INFER, json=body)

    with plain.stream("POST", INFER, json=body, headers={"Accept-Encoding": accepted}) as response:
        content = b"".join(response.iter_raw())

    assert "content-encoding" not in expected.headers
    assert response.headers.get("content-encoding") == encoding
    assert response.headers["content-length"] == str(len(content))
    for header in ("content-type", "inference-header-content-length"):
        assert response.headers.get(header) == expected.headers.get(header)
    assert (INFLATE[encoding](content) if encoding else content) == expected.content


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v2/models/blobs", None),
        ("GET", "/v2/models/stats", None),
        ("POST", "/v2/repository/index", None),
        ("POST", INFER, {"inputs": [tensor([[1, 2]])]}),  # small
        ("POST", INFER, {"inputs": [tensor(name="x")]}),  # an error
    ],
)
def test_nothing_else_is_compressed(client: httpx.Client, method: str, path: str, body: Json | None) -> None:
    response = client.request(method, path, json=body, headers={"Accept-Encoding": "gzip, deflate"})

    assert "content-encoding" not in response.headers


@pytest.mark.parametrize("encoding", DEFLATE)
def test_a_body_of_exactly_the_limit_is_inflated(client: httpx.Client, encoding: str) -> None:
    body = DEFLATE[encoding](json.dumps({"inputs": [tensor()]}).encode().ljust(8 * MIB))

    assert client.post(INFER, content=body, headers={"Content-Encoding": encoding}).status_code == 200


@pytest.mark.parametrize("path", [INFER, "/v2/repository/index"])
@pytest.mark.parametrize("encoding", DEFLATE)
@pytest.mark.parametrize("size", [8 * MIB + 1, 1024 * MIB])
def test_a_body_that_inflates_beyond_the_limit_is_413(
    client: httpx.Client, path: str, encoding: str, size: int
) -> None:
    deflating = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    body = b"".join(deflating.compress(b" " * min(MIB, size - start)) for start in range(0, size, MIB))

    response = client.post(path, content=body + deflating.flush(), headers={"Content-Encoding": encoding})

    assert response.status_code == 413
    assert response.json() == {"error": "The inflated body is larger than 8388608 bytes"}


NOT_DEFLATED = "The body should be one complete stream in its Content-Encoding, with nothing after it"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"{}")[:-1]),
        ("gzip", gzip.compress(b"{}") + b"x"),
        ("gzip", gzip.compress(b"{}") * 2),
        ("gzip", gzip.compress(b"{}")[:-8] + b"\0" * 8),
        ("gzip", zlib.compress(b"{}")),
        ("deflate", gzip.compress(b"{}")),
        ("deflate", zlib.compress(b"{}")[2:-4]),
        ("deflate", zlib.compress(b"{}")[:-1]),
    ],
)
def test_what_is_not_compressed_as_it_says_is_400(client: httpx.Client, encoding: str, body: bytes) -> None:
    response = client.post(INFER, content=body, headers={"Content-Encoding": encoding})

    assert (response.status_code, response.json()) == (400, {"error": NOT_DEFLATED})


@pytest.mark.parametrize("path", [INFER, "/v2/repository/index"])
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, deflate", "x-gzip", "x"])
def test_another_encoding_is_415_and_says_which_will_do(client: httpx.Client, path: str, encoding: str) -> None:
    response = client.post(path, content=b"{}", headers={"Content-Encoding": encoding})

    assert (response.status_code, response.headers["accept-encoding"]) == (415, "gzip, deflate")
    assert response.json() == {"error": "The Content-Encoding should be gzip or deflate (in zlib's format), or none"}


def test_another_encoding_is_refused_before_the_body_comes(base_url: str) -> None:
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\nContent-Length: 10\r\n\r\n"

    with connected(base_url) as connection:
        connection.sendall(head.encode())

        assert connection.recv(1000).startswith(b"HTTP/1.1 415 ")


# --- errors ---


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
def test_a_wrong_body_is_400_and_says_what_is_wrong(client: httpx.Client, body: object, error: str) -> None:
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
def test_what_is_not_json_is_400(client: httpx.Client, body: bytes) -> None:
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


@pytest.mark.parametrize("body", [b"[]", b'{"ready": 1}', b'{"ready": "true"}', b"x"])
def test_a_wrong_question_to_the_repository_is_400(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v2/repository/index", content=body)

    assert response.status_code == 400
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("model", ["nope", "blobs/versions/99", "blobs/versions/one", "%00", "stats/versions/1"])
def test_an_unknown_model_or_version_is_404(client: httpx.Client, method: str, model: str) -> None:
    paths = [f"/v2/models/{model}/infer"]
    if method == "GET":
        paths = [f"/v2/models/{model}{suffix}" for suffix in ("", "/ready", "/config", "/stats")]
    for path in paths:
        response = client.request(method, path)

        assert response.status_code == 404
        assert response.json()["error"].startswith("There is no such ")
        assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/v2/nope", "/v2/models/", "/v2/models/blobs/nope", "/v2/health", "/v2/models/blobs/versions/infer/x"]
)
def test_an_unknown_path_is_404(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()) == (404, {"error": "Not Found"})
    assert response.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("PUT", INFER, "POST"),
        ("POST", "/v2", "GET"),
        ("POST", "/v2/models/blobs", "GET"),
        ("POST", "/v2/models/stats", "GET"),
        ("DELETE", "/v2/health/ready", "GET"),
        ("GET", "/v2/repository/index", "POST"),
    ],
)
def test_a_wrong_method_is_405(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)

    assert (response.status_code, response.json()) == (405, {"error": "Method Not Allowed"})
    assert response.headers["allow"] == allowed
    assert response.headers["content-type"] == "application/json"


def test_the_errors_of_other_paths_keep_their_form(client: httpx.Client) -> None:
    assert client.get("/v2x").json() == {"detail": "Not Found"}
    assert client.get("/predict").json() == {"detail": "Method Not Allowed"}


@pytest.mark.parametrize(
    ("path", "form"),
    [(INFER, b'{"error":"'), ("/v2?x", b'{"error":"'), ("/v1/models", b'{"error":"'), ("/x", b'{"detail":"')],
)
def test_a_head_that_is_too_long_is_431_in_the_form_of_its_path(base_url: str, path: str, form: bytes) -> None:
    answer = b""
    with connected(base_url) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 17_000}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(65536):
                answer += received

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert body.startswith(form)


# --- the two lanes ---


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (INFER, *joined({"inputs": [tensor()]})),
        (
            INFER,
            *joined({"id": "é", "inputs": [in_bytes()[0]], "parameters": {"binary_data_output": True}}, in_bytes()[1]),
        ),
        (INFER, in_bytes()[1], {"Inference-Header-Content-Length": "0"}),
        (INFER, gzip.compress(joined(MANY)[0]), {"Content-Encoding": "gzip", "Accept-Encoding": "deflate"}),
        (INFER, gzip.compress(bytes(9 * MIB)), {"Content-Encoding": "gzip"}),
        (INFER, *joined({"inputs": [tensor(name="x")]})),
        (INFER, b"", {"Content-Encoding": "br"}),
        (INFER, b"not json", {}),
        ("/v2/models/nope/infer", b"", {}),
        ("/v2/repository/index", b"", {}),
        ("/v2/repository/index", b"[]", {}),
    ],
)
def test_both_lanes_answer_the_same(plain: httpx.Client, path: str, body: bytes, headers: dict[str, str]) -> None:
    """A body of chunks takes the ASGI lane, one of a known length the express lane."""
    answers = []
    for content in (body, iter([body])):
        with plain.stream("POST", path, content=content, headers=headers) as response:
            sent = [(name, value) for name, value in response.headers.raw if name.lower() != b"date"]
            answers.append((response.status_code, sorted(sent), b"".join(response.iter_raw())))

    express, asgi = answers
    assert express == asgi
