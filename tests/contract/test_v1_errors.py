"""Every error of `/v1`, by HTTP."""

import gzip
import signal
from collections.abc import Iterator

import httpx
import pytest

from tests.support.draining import until_not_ready
from tests.support.server import StartServer
from tests.support.v1 import CLASSIFY, EXAMPLES, GOOD, PREDICT, ROWS, error_of
from tests.support.wrong_bodies import MALFORMED, NOT_NUMBERS

FIELD = {
    PREDICT: [b'{"instances": [[1, %s]]}', b'{"instances": [{"features": [1, %s]}]}', b'{"inputs": [[1, %s]]}'],
    CLASSIFY: [b'{"examples": [{"x1": 1, "x2": %s}]}', b'{"examples": [{"x1": 1, "x2": [%s]}]}'],
}


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_400(client: httpx.Client, path: str, body: bytes) -> None:
    status, sentence = error_of(client.post(path, content=body))

    assert status == 400
    assert 0 < len(sentence) < 1000


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELD.items() for field in fields])
@pytest.mark.parametrize("literal", [*NOT_NUMBERS, b"1e39", b"[1, 2]", b'{"b64": "AAAA"}'])
def test_other_values_than_finite_numbers_are_400(
    client: httpx.Client, path: str, field: bytes, literal: bytes
) -> None:
    assert error_of(client.post(path, content=field % literal))[0] == 400


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_json_does_not_have_are_400_even_in_unknown_keys(
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
def test_a_wrong_body_of_predict_is_400_with_the_reason(client: httpx.Client, body: object, sentence: str) -> None:
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
            {"examples": [{"x1": 1, "X2": 3}]},
            "examples[0].x2: Field required; examples[0].X2: Extra inputs are not permitted; the nearest feature is x2",
        ),
        (
            {"examples": [{"x1": 1}], "context": {"x2": 2}},
            "context: Input should be empty: give each example all of its features",
        ),
        ({"examples": EXAMPLES, "signature_name": 1}, "signature_name: Input should be 'serving_default' or 'logits'"),
        ({"examples": [{"x1": 3.4e38, "x2": 3.4e38}]}, "Row 0 has numbers for which the model's output is not finite"),
    ],
)
def test_a_wrong_body_of_classify_is_400_with_the_reason(client: httpx.Client, body: object, sentence: str) -> None:
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

    assert response.headers["allow"] == "OPTIONS, POST"
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
def test_a_compressed_body_is_415_and_names_the_right_encoding(client: httpx.Client, path: str, encoding: str) -> None:
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


def test_a_service_that_shuts_down_is_not_ready_but_answers(start_server: StartServer) -> None:
    server = start_server(drain_delay="60")
    assert httpx.get(server.url + "/livez").status_code == 200  # from here on it drains at a signal
    server.send_signal(signal.SIGTERM)
    until_not_ready(server)

    refused = httpx.get(server.url + "/v1/models/blobs")
    answered = [httpx.post(server.url + path, content=GOOD[path]) for path in (PREDICT, CLASSIFY)]

    assert error_of(refused) == (503, "The service is shutting down; retry elsewhere or later")
    assert refused.headers["retry-after"] == "1"
    assert [(answer.status_code, answer.headers["connection"]) for answer in answered] == [(200, "close")] * 2
