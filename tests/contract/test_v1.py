"""`/v1`, by HTTP, against the committed blobs classifier: what its clients ask, and every error that they can get."""

import gzip
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import bits
from tests.support.draining import half_sent_request, until_not_ready
from tests.support.onnx_models import linear, publish
from tests.support.paths import MODELS
from tests.support.server import StartServer
from tests.support.wrong_bodies import MALFORMED, NOT_NUMBERS

ROWS = [[15.2, 0.3], [14.8, 15.1], [0.1, 14.7], [10.5, 4.6]]
EXAMPLES = [{"x1": x1, "x2": x2} for x1, x2 in ROWS]
LABELS = ["blob-0", "blob-1", "blob-2", "blob-3"]
PREDICT, CLASSIFY = "/v1/models/blobs:predict", "/v1/models/blobs:classify"
GOOD = {PREDICT: b'{"instances": [[1, 2]]}', CLASSIFY: b'{"examples": [{"x1": 1, "x2": 2}]}'}
FIELD = {
    PREDICT: [b'{"instances": [[1, %s]]}', b'{"instances": [{"features": [1, %s]}]}', b'{"inputs": [[1, %s]]}'],
    CLASSIFY: [b'{"examples": [{"x1": 1, "x2": %s}]}', b'{"examples": [{"x1": 1, "x2": [%s]}]}'],
}


Outputs = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def version(client: httpx.Client) -> str:
    return str(client.get("/models/blobs").json()["version"])


@pytest.fixture(scope="module")
def outputs(version: str) -> Outputs:
    """What the ONNX file gives for the rows, without a service."""
    return Engine(MODELS / "blobs" / version / "model.onnx", device="cpu").run(np.array(ROWS, np.float32))


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return status and sentence of an error, which has nothing else in it, and exactly this type."""
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    return response.status_code, response.json()["error"]


# --- what both clients ask about the models ---


def test_the_root_says_alive_as_kserve_wants_it(client: httpx.Client) -> None:
    assert client.get("/").json()["status"] == "alive"


def test_lists_each_model_once(client: httpx.Client) -> None:
    names = sorted({path.parent.parent.name for path in MODELS.glob("*/*/manifest.json")})

    assert client.get("/v1/models").json() == {"models": names}


def test_one_object_tells_the_state_to_both_clients(client: httpx.Client) -> None:
    versions = sorted((int(path.parent.name) for path in MODELS.glob("blobs/*/manifest.json")), reverse=True)

    response = client.get("/v1/models/blobs")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "name": "blobs",
        "ready": True,
        "model_version_status": [
            {"version": str(version), "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
            for version in versions
        ],
    }


def test_tells_the_state_of_one_version(client: httpx.Client, version: str) -> None:
    assert client.get(f"/v1/models/blobs/versions/{version}").json() == {
        "name": "blobs",
        "ready": True,
        "model_version_status": [
            {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        ],
    }


@pytest.mark.parametrize("path", ["/v1/models/blobs/metadata", "/v1/models/blobs/versions/{}/metadata"])
def test_describes_its_signatures_as_a_saved_model_does(client: httpx.Client, version: str, path: str) -> None:
    features = {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "2", "name": ""}], "unknown_rank": False},
        "name": "features:0",
    }
    four = {"dim": [{"size": "-1", "name": ""}, {"size": "4", "name": ""}], "unknown_rank": False}

    assert client.get(path.format(version)).json() == {
        "model_spec": {"name": "blobs", "signature_name": "", "version": version},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {"features": features},
                        "outputs": {
                            "probabilities": {"dtype": "DT_FLOAT", "tensor_shape": four, "name": "probabilities:0"}
                        },
                        "method_name": "tensorflow/serving/predict",
                    },
                    "logits": {
                        "inputs": {"features": features},
                        "outputs": {"logits": {"dtype": "DT_FLOAT", "tensor_shape": four, "name": "logits:0"}},
                        "method_name": "tensorflow/serving/predict",
                    },
                }
            }
        },
    }


def test_knows_several_versions_and_what_became_of_them(start_server: StartServer, tmp_path: Path) -> None:
    for name, version in (("linear", 2), ("linear", 10), ("other", 1)):
        publish(tmp_path, version, linear().SerializeToString(), name=name)
    publish(tmp_path, 11, linear().SerializeToString(), digest="0" * 64)
    url = start_server(models_dir=str(tmp_path)).url + "/v1/models"

    def versions(path: str) -> list[tuple[str, str, str]]:
        statuses = httpx.get(url + path).json()["model_version_status"]
        return [(each["version"], each["state"], each["status"]["error_code"]) for each in statuses]

    rejected = httpx.get(url + "/linear").json()["model_version_status"][0]["status"]["error_message"]
    assert httpx.get(url).json() == {"models": ["linear", "other"]}
    assert versions("/linear") == [
        ("11", "END", "INVALID_ARGUMENT"),
        ("10", "AVAILABLE", "OK"),
        ("2", "AVAILABLE", "OK"),
    ]
    assert versions("/linear/versions/2") == [("2", "AVAILABLE", "OK")]
    assert versions("/other") == [("1", "AVAILABLE", "OK")]
    assert "does not match its manifest" in rejected
    assert error_of(httpx.get(url + "/linear/versions/11")) == (503, f"Version 11 is rejected: {rejected}")
    assert httpx.get(url + "/linear/metadata").json()["model_spec"]["version"] == "10"
    assert httpx.get(url + "/linear/versions/2/metadata").json()["model_spec"]["version"] == "2"


# --- :predict and :classify ---


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
def test_ignores_what_it_does_not_know(client: httpx.Client, path: str, other: bytes) -> None:
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


# --- errors ---


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_400(client: httpx.Client, path: str, body: bytes) -> None:
    status, sentence = error_of(client.post(path, content=body))

    assert status == 400
    assert 0 < len(sentence) < 1000


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELD.items() for field in fields])
@pytest.mark.parametrize("literal", [*NOT_NUMBERS, b"1e39", b"[1, 2]", b'{"b64": "AAAA"}'])
def test_what_is_not_a_finite_number_is_400(client: httpx.Client, path: str, field: bytes, literal: bytes) -> None:
    assert error_of(client.post(path, content=field % literal))[0] == 400


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_json_has_no_numbers_for_is_400_even_where_nobody_looks(
    client: httpx.Client, path: str, literal: bytes
) -> None:
    response = client.post(path, content=GOOD[path][:-1] + b', "x": [' + literal + b"]}")

    assert error_of(response) == (400, "Invalid JSON: NaN and Infinity are not numbers")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ([], "Input should be an object"),
        ({}, "Input should have either instances or inputs"),
        ({"instances": ROWS, "inputs": ROWS}, "Input should have either instances or inputs"),
        ({"examples": EXAMPLES}, "Input should have either instances or inputs"),
        ({"instances": []}, "instances: Input should have at least 1 row"),
        ({"instances": None}, "instances: Input should be a valid array"),
        ({"instances": [1.0, 2.0, 5.0]}, "instances[0]: Input should be a valid array"),
        ({"instances": [[[1, 2]]]}, "instances[0][0]: Input should be a valid number"),
        ({"instances": [[1, 2], [1]]}, "instances[1]: Input should be 2 numbers (x1, x2), not 1"),
        ({"instances": [[1, 2], [1, "2"]]}, "instances[1][1]: Input should be a valid number"),
        ({"instances": [[1, 1e39]]}, "instances[0][1]: Input should be a finite number, also as float32"),
        ({"instances": [[1, 2], {"features": [1, 2]}]}, "instances[1]: Input should be a valid array"),
        ({"instances": [{"features": [1, 2]}, [1, 2]]}, "instances[1]: Input should be an object"),
        ({"instances": [{}]}, "instances[0].features: Field required"),
        ({"instances": [{"x": [1, 2]}]}, "instances[0].x: The model's only input is features"),
        ({"instances": [{"features": [1, 2], "x": []}]}, "instances[0].x: The model's only input is features"),
        ({"instances": [{"features": [1, None]}]}, "instances[0].features[1]: Input should be a valid number"),
        ({"inputs": []}, "inputs: Input should have at least 1 row"),
        ({"inputs": {}}, "inputs.features: Field required"),
        ({"inputs": {"x" * 100: ROWS}}, f"inputs.{'x' * 64}: The model's only input is features"),
        ({"inputs": {"features": [[1]]}}, "inputs.features[0]: Input should be 2 numbers (x1, x2), not 1"),
        ({"inputs": {"features": [[1, True]]}}, "inputs.features[0][1]: Input should be a valid number"),
        ({"inputs": [[1, 2, 3]]}, "inputs[0]: Input should be 2 numbers (x1, x2), not 3"),
        (
            {"instances": ROWS, "signature_name": "probabilities"},
            "signature_name: Input should be 'serving_default' or 'logits'",
        ),
        ({"instances": [[1, 2], [3.4e38, 3.4e38]]}, "Row 1 has numbers for which the model's output is not finite"),
    ],
)
def test_says_what_is_wrong_with_a_body_of_predict(client: httpx.Client, body: object, sentence: str) -> None:
    assert error_of(client.post(PREDICT, json=body)) == (400, sentence)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "examples: Field required"),
        ({"examples": []}, "examples: Input should have at least 1 row"),
        ({"examples": [[1, 2]]}, "examples[0]: Input should be an object"),
        ({"examples": [*EXAMPLES, {"x1": 1}]}, "examples[4].x2: Field required"),
        ({"examples": [{"x1": 1, "x2": [1, 2]}]}, "examples[0].x2: Input should be a valid number"),
        ({"examples": [{"x1": 1, "x2": []}]}, "examples[0].x2: Input should be a valid number"),
        ({"examples": [{"x1": 1, "x2": 1e39}]}, "examples[0].x2: Input should be a finite number, also as float32"),
        (
            {"examples": [{"x1": 1, "x2": 2, "x3": 3}]},
            "examples[0].x3: Extra inputs are not permitted; the features are x1, x2",
        ),
        (
            {"examples": [{"x1": 1}], "context": {"x2": 2}},
            "context: Input should be empty: give each example all of its features",
        ),
        ({"examples": EXAMPLES, "signature_name": 1}, "signature_name: Input should be 'serving_default' or 'logits'"),
        ({"examples": [{"x1": 3.4e38, "x2": 3.4e38}]}, "Row 0 has numbers for which the model's output is not finite"),
    ],
)
def test_says_what_is_wrong_with_a_body_of_classify(client: httpx.Client, body: object, sentence: str) -> None:
    assert error_of(client.post(CLASSIFY, json=body)) == (400, sentence)


@pytest.mark.parametrize("verb", [":predict", ":classify"])
@pytest.mark.parametrize(
    "path", ["/v1/models/half", "/v1/models/blobs/versions/99", "/v1/models/blobs/versions/one", "/v1/models/a:b"]
)
def test_an_unknown_model_or_version_is_404(client: httpx.Client, path: str, verb: str) -> None:
    status, sentence = error_of(client.post(path + verb, content=b"{"))

    assert status == 404
    assert "; GET /models lists the " in sentence


@pytest.mark.parametrize("path", ["/v1/models/half", "/v1/models/blobs/versions/99"])
@pytest.mark.parametrize("below", ["", "/metadata"])
def test_the_state_and_signatures_of_an_unknown_model_are_404(client: httpx.Client, path: str, below: str) -> None:
    assert error_of(client.get(path + below))[0] == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", [*GOOD, "/v1/models/blobs/versions/1:predict", "/v1/models/blobs/versions/1:classify"])
def test_another_method_than_post_is_405(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)

    assert response.headers["allow"] == "POST"
    assert error_of(response) == (405, "Method Not Allowed")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/models/blobs/else"])
def test_an_unknown_path_is_404(client: httpx.Client, path: str) -> None:
    assert error_of(client.get(path)) == (404, "Not Found")


@pytest.mark.parametrize("path", GOOD)
def test_a_body_that_is_declared_too_large_is_413(client: httpx.Client, path: str) -> None:
    response = client.post(path, content=b" " * (8 * 2**20 + 1))

    assert error_of(response) == (413, "The body is larger than 8388608 bytes")
    assert response.headers["connection"] == "close"


def test_a_chunked_body_that_grows_too_large_is_413(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 2**20

    assert error_of(client.post(PREDICT, content=chunks())) == (413, "The body is larger than 8388608 bytes")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PREDICT, {"instances": [[1, 2]] * 100_001}),
        (PREDICT, {"inputs": {"features": [[1, 2]] * 100_001}}),
        (CLASSIFY, {"examples": [{}] * 100_001}),
    ],
)
def test_more_rows_than_the_limit_are_413(client: httpx.Client, path: str, body: object) -> None:
    response = client.post(path, json=body)

    assert error_of(response) == (413, "100001 rows are more than the 100000 that one request may have")


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_415_and_says_what_is_taken(client: httpx.Client, path: str, encoding: str) -> None:
    response = client.post(path, content=gzip.compress(GOOD[path]), headers={"Content-Encoding": encoding})

    assert error_of(response) == (415, "The body should not be compressed: send no Content-Encoding")
    assert response.headers["accept-encoding"] == "identity"


def test_more_rows_than_may_wait_are_429(start_server: StartServer) -> None:
    server = start_server(max_queued_rows="1")

    response = httpx.post(server.url + PREDICT, json={"instances": ROWS})

    assert error_of(response) == (429, "0 rows are waiting; try again later")
    assert response.headers["retry-after"] == "1"


def test_rows_that_waited_too_long_are_504(start_server: StartServer) -> None:
    server = start_server(queue_timeout="1e-300")

    response = httpx.post(server.url + PREDICT, json={"instances": ROWS})

    assert error_of(response) == (504, "waited in the queue for more than 1e-300 s")


def test_a_service_that_shuts_down_is_503_and_not_ready(start_server: StartServer) -> None:
    server = start_server()
    with half_sent_request(server):
        server.send_signal(signal.SIGTERM)
        until_not_ready(server)
        refused = [
            httpx.post(server.url + PREDICT, content=GOOD[PREDICT]),
            httpx.post(server.url + CLASSIFY, content=GOOD[CLASSIFY]),
            httpx.get(server.url + "/v1/models/blobs"),
        ]

    for response in refused:
        assert error_of(response) == (503, "The service is shutting down; retry elsewhere or later")
        assert response.headers["retry-after"] == "1"
