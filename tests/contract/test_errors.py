"""The error table of docs/api.md, line by line, and a good request after each."""

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.wrong_bodies import MALFORMED, NOT_NUMBERS

GOOD = {"/softmax": b'{"logits": [1, 2]}', "/predict": b'{"instances": [[1, 2]]}'}
FIELD = {"/softmax": b'{"logits": [1, %s]}', "/predict": b'{"instances": [[1, %s]]}'}


@pytest.fixture(autouse=True)
def answers_a_good_request_afterwards(client: httpx.Client) -> Iterator[None]:
    yield
    for path, body in GOOD.items():
        assert client.post(path, content=body).status_code == 200


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_422_in_the_same_shape(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body)

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/json"
    problem = response.json()["detail"][0]
    assert problem["type"] in {"json_invalid", "dict_type", "float_type", "missing", "extra_forbidden"}
    assert set(problem) == {"type", "loc", "msg"}


@pytest.mark.parametrize("body", [b"not json", b'{"logits": [1', b"[" * 200])
def test_malformed_json_is_named_with_its_position(client: httpx.Client, body: bytes) -> None:
    problem = client.post("/softmax", content=body).json()["detail"][0]

    assert problem["type"] == "json_invalid"
    assert "line 1 column" in problem["msg"]


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize("literal", NOT_NUMBERS)
def test_other_values_than_finite_numbers_are_422(client: httpx.Client, path: str, literal: bytes) -> None:
    response = client.post(path, content=FIELD[path] % literal)

    assert response.status_code == 422


@pytest.mark.parametrize("depth", [64, 65, 100, 190, 1000])
def test_deep_nesting_is_422(client: httpx.Client, depth: int) -> None:
    response = client.post("/predict", content=b'{"instances": ' + b"[" * depth + b"]" * depth + b"}")

    assert response.status_code == 422


@pytest.mark.parametrize("path", GOOD)
def test_no_value_is_echoed(client: httpx.Client, path: str) -> None:
    response = client.post(path, content=FIELD[path] % b'"s3cret-value"')

    assert response.status_code == 422
    assert "s3cret" not in response.text


@pytest.mark.parametrize(
    "path",
    ["/models/nope", "/models/blobs/versions/99", "/models/blobs/versions/one", "/models/%00", "/nope", "/nope//"],
)
def test_an_unknown_path_or_model_is_404(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize("path", ["/models/nope/predict", "/models/blobs/versions/99/predict"])
def test_predicting_by_an_unknown_model_is_404(client: httpx.Client, path: str) -> None:
    response = client.post(path, content=GOOD["/predict"])

    assert response.status_code == 404
    assert "GET /models" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "OPTIONS, POST"),
        ("HEAD", "/predict", "OPTIONS, POST"),
        ("PUT", "/softmax", "OPTIONS, POST"),
        ("DELETE", "/models", "GET, HEAD, OPTIONS"),
        ("POST", "/models/blobs", "GET, HEAD, OPTIONS"),
        ("TRACE", "/livez", "GET, HEAD, OPTIONS"),
        ("PATCH", "/models/blobs/predict", "OPTIONS, POST"),
        ("POST", "/docs/assets/swagger-ui.css", "GET, HEAD, OPTIONS"),
        ("PUT", "/metrics", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_405_with_all_that_are_allowed(
    client: httpx.Client, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)

    assert (response.status_code, response.headers["allow"]) == (405, allowed)
    assert response.content == (b"" if method == "HEAD" else b'{"detail":"Method Not Allowed"}')


def test_a_body_that_is_declared_too_large_is_413(client: httpx.Client) -> None:
    response = client.post("/predict", content=b" " * (8 * 2**20 + 1))

    assert (response.status_code, response.headers["connection"]) == (413, "close")
    assert response.json() == {"detail": "The body is larger than 8388608 bytes"}


def test_a_chunked_body_that_grows_too_large_is_413(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 2**20

    response = client.post("/predict", content=chunks())

    assert (response.status_code, response.headers["connection"]) == (413, "close")
    assert response.json() == {"detail": "The body is larger than 8388608 bytes"}


def test_a_body_of_exactly_the_limit_is_read(client: httpx.Client) -> None:
    body = GOOD["/predict"].ljust(8 * 2**20)

    assert client.post("/predict", content=body).status_code == 200


def test_a_chunked_body_is_read(client: httpx.Client) -> None:
    response = client.post("/predict", content=(bytes([byte]) for byte in GOOD["/predict"]))

    assert response.status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data; boundary=x",
        "json",
        "application/jsonx",
    ],
)
def test_another_content_type_is_415_and_names_the_right_one(client: httpx.Client, content_type: str) -> None:
    response = client.post("/predict", content=GOOD["/predict"], headers={"Content-Type": content_type})

    assert response.status_code == 415
    assert "-H 'Content-Type: application/json'" in response.json()["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/problem+json", ""]
)
def test_json_under_any_of_its_names_is_read(client: httpx.Client, content_type: str) -> None:
    response = client.post("/predict", content=GOOD["/predict"], headers={"Content-Type": content_type})

    assert response.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x"])
def test_a_content_encoding_is_415(client: httpx.Client, encoding: str) -> None:
    response = client.post("/softmax", content=GOOD["/softmax"], headers={"Content-Encoding": encoding})

    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in response.json()["detail"]


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 17_000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 2_000 + b"\r\n",
        b"GET /livez?" + b"q" * 17_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Endless: " + b"x" * 600_000,
    ],
    ids=["a long header", "many headers", "a long target", "an endless header"],
)
def test_a_head_over_16_kib_is_431(base_url: str, request_head: bytes) -> None:
    answer = exchange(base_url, request_head)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in answer
    assert answer.endswith(b'{"detail":"The request line and headers are larger than 16384 bytes"}')


def test_a_head_just_under_16_kib_is_read(client: httpx.Client) -> None:
    assert client.get("/livez", headers={"X-Long": "x" * 16_000}).status_code == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /livez HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_are_a_4xx(base_url: str, request_bytes: bytes) -> None:
    answer = exchange(base_url, request_bytes)

    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), answer
    assert b'{"detail":' in answer


def exchange(base_url: str, request: bytes) -> bytes:
    """Send bytes and return all that comes back until the server closes, or is quiet for a second."""
    address = urlsplit(base_url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=30) as connection:
        with contextlib.suppress(ConnectionError):  # the server may close before it has read all
            connection.sendall(request)
        answer = b""
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while received := connection.recv(65536):
                answer += received
        return answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/models/blobs/versions/{}"),
        ("POST", "/models/blobs/versions/{}/predict"),
        ("POST", "/v1/models/blobs/versions/{}:predict"),
        ("GET", "/v1/models/blobs/versions/{}"),
        ("POST", "/v2/models/blobs/versions/{}/infer"),
        ("GET", "/v2/models/blobs/versions/{}/stats"),
    ],
)
def test_a_version_with_more_digits_than_a_number_may_have_is_not_found(
    client: httpx.Client, method: str, path: str
) -> None:
    response = client.request(method, path.format("9" * 5000), content=b"{}" if method == "POST" else b"")

    assert response.status_code == 404
