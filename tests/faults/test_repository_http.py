"""Models are loaded and unloaded over HTTP, by clients with an admin key and by nobody else, in every worker."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tritonclient import http
from tritonclient.utils import InferenceServerException

from tests.support.onnx_models import linear, publish
from tests.support.server import Server, StartServer
from tests.support.waiting import SECONDS, until

KEY = "open sesame"
ADMIN = {"Authorization": f"Bearer {KEY}"}
HASHED = hashlib.sha256(KEY.encode()).hexdigest()
LOAD, UNLOAD = (f"/v2/repository/models/linear/{verb}" for verb in ("load", "unload"))
BOTH = pytest.mark.parametrize("path", [LOAD, UNLOAD])
BODY = {"instances": [[0.25, -0.5]]}


def publish_both(folder: Path) -> Path:
    publish(folder, 1, linear().SerializeToString())
    publish(folder, 1, linear().SerializeToString(), name="other")
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return publish_both(tmp_path)


@pytest.fixture
def server(start_server: StartServer, models: Path) -> Server:
    return start_server(models_dir=str(models), admin_keys=HASHED, reload_interval="0.02")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, start_shared_server: StartServer) -> Iterator[Server]:
    """A server for the tests that use `unchanged` or `changed`."""
    folder = publish_both(tmp_path_factory.mktemp("models"))
    server = start_shared_server(models_dir=str(folder), admin_keys=HASHED, reload_interval="0.02")
    yield server
    assert server.stop() == 0


@pytest.fixture
def unchanged(shared: Server) -> Iterator[Server]:
    """A server that refuses to change a model."""
    yield shared
    assert {state for state, _ in states(shared).values()} == {"READY"}


@pytest.fixture
def changed(shared: Server) -> Iterator[Server]:
    """A server that changes its models; they are loaded again after the test."""
    yield shared
    for name in ("linear", "other"):
        assert post(shared, f"/v2/repository/models/{name}/load") == (200, {})


@pytest.fixture(scope="module")
def without_keys(tmp_path_factory: pytest.TempPathFactory, start_shared_server: StartServer) -> Server:
    return start_shared_server(models_dir=str(publish_both(tmp_path_factory.mktemp("models"))))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, start_shared_server: StartServer) -> Server:
    """A server that takes small bodies only."""
    folder = publish_both(tmp_path_factory.mktemp("models"))
    return start_shared_server(models_dir=str(folder), admin_keys=HASHED, max_body_bytes="1024")


def predict(server: Server) -> int:
    return httpx.post(server.url + "/models/linear/predict", json=BODY).status_code


def post(server: Server, path: str, **options: Any) -> tuple[int, Any]:
    response = httpx.post(server.url + path, headers=ADMIN, timeout=60, **options)
    return response.status_code, response.json()


def states(server: Server, **body: bool) -> dict[tuple[str, str], tuple[str, str]]:
    """Return state and reason of each version, as the index of the repository has them."""
    listed = httpx.post(server.url + "/v2/repository/index", json=body).json()
    return {(each["name"], each["version"]): (each["state"], each["reason"]) for each in listed}


def test_an_unloaded_model_is_gone_until_it_is_loaded_again(changed: Server) -> None:
    assert post(changed, UNLOAD) == (200, {})
    assert predict(changed) == 404
    assert states(changed) == {
        ("linear", "1"): ("UNAVAILABLE", "unloaded by request"),
        ("other", "1"): ("READY", ""),
    }
    assert states(changed, ready=True) == {("other", "1"): ("READY", "")}
    ready = httpx.get(changed.url + "/v2/models/linear/ready")
    assert (ready.status_code, ready.json()) == (503, {"error": "Version 1 is unloaded: unloaded by request"})
    assert httpx.get(changed.url + "/v2/health/ready").json() == {"ready": True}

    assert post(changed, LOAD) == (200, {})
    assert predict(changed) == 200
    assert states(changed)["linear", "1"] == ("READY", "")
    assert httpx.get(changed.url + "/v2/models/linear/ready").json() == {"name": "linear", "ready": True}


def test_the_service_is_not_ready_without_any_model(changed: Server) -> None:
    post(changed, UNLOAD)
    post(changed, UNLOAD.replace("linear", "other"))

    response = httpx.get(changed.url + "/v2/health/ready")

    assert (response.status_code, list(response.json())) == (503, ["error"])


@BOTH
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {KEY}"}])
def test_without_the_key_nothing_changes(unchanged: Server, path: str, headers: dict[str, str]) -> None:
    response = httpx.post(unchanged.url + path, content=b"{", headers=headers)

    assert (response.status_code, list(response.json())) == (401, ["error"])
    assert response.headers["www-authenticate"] == 'Bearer realm="softmaxd"'
    assert predict(unchanged) == 200


@BOTH
def test_it_is_forbidden_where_no_key_is_configured(without_keys: Server, path: str) -> None:
    answer = post(without_keys, path)

    assert answer == (403, {"error": "This is only possible with an admin key, and none is configured"})
    assert predict(without_keys) == 200


@BOTH
@pytest.mark.parametrize("body", [b"", b"{}", b'{"parameters": null}', b'{"parameters": {"x": 1, "config": null}}'])
def test_a_body_may_have_parameters_that_say_nothing(changed: Server, path: str, body: bytes) -> None:
    assert post(changed, path, content=body) == (200, {})


@BOTH
@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"x": 1, "file:1/model.onnx": "AAAA"}])
def test_a_configuration_and_files_are_refused(unchanged: Server, path: str, parameters: dict[str, object]) -> None:
    assert post(unchanged, path, json={"parameters": parameters}) == (
        400,
        {"error": "parameters: Input should have no config and no file: models come from the models folder"},
    )
    assert predict(unchanged) == 200


@BOTH
@pytest.mark.parametrize("body", [b"{", b"[]", b'{"parameters": []}', b'{"x": NaN}'])
def test_a_body_that_is_something_else_is_400(unchanged: Server, path: str, body: bytes) -> None:
    status, answer = post(unchanged, path, content=body)

    assert (status, list(answer)) == (400, ["error"])


@BOTH
def test_a_body_that_is_too_large_is_413(small: Server, path: str) -> None:
    assert post(small, path, content=b" " * 1025) == (413, {"error": "The body is larger than 1024 bytes"})


@pytest.mark.parametrize("name", ["none", "..", "%2e%2e", "linear%2f1"])
@pytest.mark.parametrize("verb", ["load", "unload"])
def test_an_unknown_model_is_404(unchanged: Server, name: str, verb: str) -> None:
    status, answer = post(unchanged, f"/v2/repository/models/{name}/{verb}")

    assert (status, list(answer)) == (404, ["error"])


def test_a_model_that_cannot_be_loaded_is_400_with_the_reason(server: Server, models: Path) -> None:
    publish(models, 1, b"broken", name="broken")
    until(lambda: states(server).get(("broken", "1"), ("", ""))[0] == "UNAVAILABLE")

    status, answer = post(server, "/v2/repository/models/broken/load")

    assert (status, answer["error"]) == (400, states(server)["broken", "1"][1])
    assert answer["error"]


@pytest.fixture
def workers(start_server: StartServer, models: Path) -> Server:
    server = start_server("--workers", "2", models_dir=str(models), admin_keys=HASHED, reload_interval="0.05")
    until(lambda: httpx.get(server.url + "/readyz", timeout=SECONDS).status_code == 200)
    return server


def test_every_worker_follows(workers: Server) -> None:
    def all_answer(status: int) -> bool:
        return {predict(workers) for _ in range(20)} == {status}  # each on a connection of its own

    for path, status in ((UNLOAD, 404), (LOAD, 200)):
        assert post(workers, path) == (200, {})
        until(lambda status=status: all_answer(status))  # type: ignore[misc]


def test_triton_s_client_loads_and_unloads(changed: Server) -> None:
    client = http.InferenceServerClient(urlsplit(changed.url).netloc)

    client.unload_model("linear", headers=ADMIN)
    assert not client.is_model_ready("linear")
    index = client.get_model_repository_index(headers=ADMIN)
    client.load_model("linear", headers=ADMIN)

    assert [each["state"] for each in index] == ["UNAVAILABLE", "READY"]
    assert client.is_model_ready("linear")
    with pytest.raises(InferenceServerException, match="no config"):
        client.load_model("linear", headers=ADMIN, config="{}")
    with pytest.raises(InferenceServerException, match="A key is needed"):
        client.unload_model("linear")
    client.close()
