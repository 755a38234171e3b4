"""Compressed requests and responses of `/v2`, by HTTP."""

import functools
import gzip
import json
import zlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from softmaxd.models.engine import Engine
from tests.support.arrays import assert_same, float32
from tests.support.v2 import (
    INFER,
    MIB,
    NEAR_THE_CENTRES,
    Json,
    connected,
    in_bytes,
    joined,
    outputs_of,
    tensor,
)


@pytest.fixture(scope="module")
def plain(base_url: str) -> Iterator[httpx.Client]:
    """A client that accepts no compression."""
    with httpx.Client(base_url=base_url, timeout=30, headers={"Accept-Encoding": "identity"}) as client:
        yield client


GZIPPED = gzip.compress(b"{}", mtime=0)  # without the time, which would change the names of tests
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


@functools.cache
def spaces(size: int, encoding: str) -> bytes:
    """Return as many spaces, compressed. A gibibyte takes seconds, so each is made once."""
    deflating = zlib.compressobj(6, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    parts = [deflating.compress(b" " * min(MIB, size - start)) for start in range(0, size, MIB)]
    return b"".join([*parts, deflating.flush()])


@pytest.mark.parametrize("path", [INFER, "/v2/repository/index"])
@pytest.mark.parametrize("encoding", DEFLATE)
@pytest.mark.parametrize("size", [8 * MIB + 1, 1024 * MIB])
def test_a_body_that_inflates_beyond_the_limit_is_413(
    client: httpx.Client, path: str, encoding: str, size: int
) -> None:
    response = client.post(path, content=spaces(size, encoding), headers={"Content-Encoding": encoding})

    assert response.status_code == 413
    assert response.json() == {"error": "The inflated body is larger than 8388608 bytes"}


NOT_DEFLATED = "The body should be one complete stream in its Content-Encoding, with nothing after it"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b""),
        ("gzip", b"not gzip"),
        ("gzip", GZIPPED[:-1]),
        ("gzip", GZIPPED + b"x"),
        ("gzip", GZIPPED[:-8] + b"\0" * 8),
        ("gzip", zlib.compress(b"{}")),
        ("deflate", GZIPPED),
        ("deflate", zlib.compress(b"{}")[2:-4]),
        ("deflate", zlib.compress(b"{}")[:-1]),
    ],
)
def test_a_body_in_another_encoding_than_it_says_is_400(client: httpx.Client, encoding: str, body: bytes) -> None:
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
