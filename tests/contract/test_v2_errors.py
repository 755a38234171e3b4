"""Errors of `/v2` that have another cause than the body, by HTTP, and both lanes side by side."""

import contextlib
import gzip
from collections.abc import Iterator

import httpx
import pytest

from tests.support.v2 import (
    INFER,
    MIB,
    NEAR_THE_CENTRES,
    connected,
    in_bytes,
    joined,
    tensor,
)


@pytest.fixture(scope="module")
def plain(base_url: str) -> Iterator[httpx.Client]:
    """A client that accepts no compression."""
    with httpx.Client(base_url=base_url, timeout=30, headers={"Accept-Encoding": "identity"}) as client:
        yield client


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
        ("GET", INFER, "OPTIONS, POST"),
        ("PUT", INFER, "OPTIONS, POST"),
        ("POST", "/v2", "GET, HEAD, OPTIONS"),
        ("POST", "/v2/models/blobs", "GET, HEAD, OPTIONS"),
        ("POST", "/v2/models/stats", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v2/health/ready", "GET, HEAD, OPTIONS"),
        ("GET", "/v2/repository/index", "OPTIONS, POST"),
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


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (INFER, *joined({"inputs": [tensor()]})),
        (
            INFER,
            *joined({"id": "é", "inputs": [in_bytes()[0]], "parameters": {"binary_data_output": True}}, in_bytes()[1]),
        ),
        (INFER, in_bytes()[1], {"Inference-Header-Content-Length": "0"}),
        (
            INFER,
            gzip.compress(joined({"inputs": [tensor(NEAR_THE_CENTRES * 100)]})[0], mtime=0),
            {"Content-Encoding": "gzip", "Accept-Encoding": "deflate"},
        ),
        (INFER, gzip.compress(bytes(9 * MIB), mtime=0), {"Content-Encoding": "gzip"}),
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
        with plain.stream("POST", path, content=content, headers={**headers, "X-Request-ID": "7"}) as response:
            sent = [(name, value) for name, value in response.headers.raw if name.lower() != b"date"]
            answers.append((response.status_code, sorted(sent), b"".join(response.iter_raw())))

    express, asgi = answers
    assert express == asgi
