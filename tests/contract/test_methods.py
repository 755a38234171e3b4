"""HEAD, OPTIONS and wrong methods on every route, by HTTP."""

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
import pytest

PAGES = ("/", "/docs", "/docs/assets/swagger-ui.css", "/metrics", "/openapi.json", "/v2/")
CHANGING = {"/metrics", "/v2/models/stats"}  # their bodies, from one request to the next


@pytest.fixture(scope="module")
def routes(client: httpx.Client) -> dict[str, set[str]]:
    """The methods of each route of the OpenAPI document."""
    version = client.get("/models/blobs").json()["version"]
    paths = client.get("/openapi.json").json()["paths"]
    values = {"name": "blobs", "version": version, "picture": "reliability", "kind": "png"}
    return {path.format(**values): {*map(str.upper, paths[path])} for path in paths}


def head(base_url: str, path: str) -> tuple[int, Mapping[str, str]]:
    """Return the answer to a HEAD, which has no body: the next answer of the connection follows its headers."""
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    connection.request("HEAD", path, headers={"X-Request-ID": "7"})
    response = connection.getresponse()
    response.read()
    connection.request("GET", "/livez")
    assert connection.getresponse().read() == b'{"status":"alive"}'
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}


def test_head_has_the_status_and_the_headers_of_get(
    client: httpx.Client, base_url: str, routes: dict[str, set[str]]
) -> None:
    paths = [*PAGES, *(path for path, methods in routes.items() if "GET" in methods), "/nope", "/v2/models/nope"]
    assert len(paths) > 20
    for path in paths:
        status, headers = head(base_url, path)
        get = client.get(path, headers={"Accept-Encoding": "identity", "X-Request-ID": "7"})

        assert (status, headers.keys()) == (get.status_code, get.headers.keys()), path
        if path not in CHANGING and not path.endswith("/stats"):
            assert {**headers, "date": ""} == {**get.headers, "date": ""}, path


def test_options_answers_the_methods_of_every_route(client: httpx.Client, routes: dict[str, set[str]]) -> None:
    for path, methods in routes.items():
        response = client.options(path)

        allowed = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert (response.status_code, response.content) == (204, b""), path
        assert set(response.headers["allow"].split(", ")) == allowed, path


def test_another_method_gets_the_same_list(client: httpx.Client, routes: dict[str, set[str]]) -> None:
    for path in (*routes, *PAGES):
        response = client.delete(path)

        assert response.status_code == 405, path
        assert response.headers["allow"] == client.options(path).headers["allow"], path


def test_options_of_an_unknown_path_is_404(client: httpx.Client) -> None:
    assert client.options("/nope").status_code == 404
    assert client.options("/v1/nope").json() == {"error": "Not Found"}
