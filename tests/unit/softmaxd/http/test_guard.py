"""Every route needs a key of the right kind, but for a list of open ones; so do the operations of the express lane."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from softmaxd.app import create_app
from softmaxd.http.guard import OPEN
from softmaxd.http.heads import PlainHeads
from softmaxd.settings import Settings
from tests.support.asgi import ask
from tests.support.keys import ADMIN, FIRST, ONLY_BLOBS, READER, bearer, hashed, write_keys
from tests.support.paths import MODELS

HIDDEN = [("GET", "/metrics"), ("GET", "/v2/"), ("GET", "/v1/models/blobs:predict"), ("HEAD", "/models")]
PARTS = {"name": "blobs", "version": "1", "picture": "reliability", "kind": "png"}
BODY = b'{"instances": [[1, 2]]}'
CHANGES = ("/v2/repository/models/{name}/load", "/v2/repository/models/{name}/unload")


def settings_with(folder: Path, *lines: str, **changes: Any) -> Settings:  # Any: of settings
    write_keys(folder / "keys", *lines)
    return Settings(models_dir=MODELS, api_keys_file=folder / "keys", admin_keys=(hashed(ADMIN),), **changes)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_with(
        tmp_path_factory.mktemp("keys"),
        hashed(FIRST),
        f"{hashed(READER)} read",
        f"{hashed(ONLY_BLOBS)} predict,read blobs",
    )


@pytest.fixture(scope="module")
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


def routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """Give method, path and route of everything that takes a request, hidden or not."""
    for route, methods in app.openapi()["paths"].items():
        for method in methods:
            yield method.upper(), re.sub(r"{(\w+)}", lambda found: PARTS[found[1]], route), route
    yield from ((method, path, path) for method, path in HIDDEN)


def test_every_route_is_open_by_name_or_answers_nobody_without_a_key(app: FastAPI) -> None:
    for method, path, route in routes(app):
        for headers in ({}, bearer("unknown"), {"X-API-Key": hashed(FIRST)}):
            answer = ask(app, method, path, headers=headers, content=b"no JSON" if method == "POST" else None)
            expected = (200, 503) if route in OPEN else (401,)
            assert answer.status_code in expected, (method, path)
            assert ("www-authenticate" in answer.headers) == (route not in OPEN)


def test_the_document_says_401_where_a_key_is_needed_and_names_both_headers(app: FastAPI) -> None:
    document = app.openapi()
    entries = {path: entry for path, methods in document["paths"].items() for entry in methods.values()}

    assert {path for path, entry in entries.items() if "401" not in entry["responses"]} == OPEN - {"/docs"}
    assert {path for path, entry in entries.items() if "security" not in entry} == OPEN - {"/docs"}
    assert entries["/predict"]["security"] == entries[CHANGES[0]]["security"] == [{"Bearer": []}, {"ApiKey": []}]
    assert document["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"


def test_the_document_and_the_pages_tell_nothing_about_the_models(app: FastAPI) -> None:
    for path in ("/openapi.json", "/docs", "/", "/playground/js/api.js"):
        answer = ask(app, "GET", path)
        assert answer.status_code == 200
        assert not re.search(r"blob-0|setosa|CPUExecutionProvider", answer.text), path


def test_a_key_of_the_wrong_kind_is_forbidden(app: FastAPI) -> None:
    for method, path, route in routes(app):
        if route in OPEN:
            continue
        content = BODY if method == "POST" else None
        reads = (method in {"GET", "HEAD"} and ":" not in route) or route == "/v2/repository/index"
        answers = {key: ask(app, method, path, headers=bearer(key), content=content) for key in (FIRST, READER)}
        assert (answers[READER].status_code == 403) == (not reads), (method, path)
        assert (answers[FIRST].status_code == 403) == (route in CHANGES), (method, path)


def test_an_admin_key_may_do_everything(app: FastAPI) -> None:
    for method, path, _ in routes(app):
        answer = ask(app, method, path, headers=bearer(ADMIN), content=b"no JSON" if method == "POST" else None)
        assert answer.status_code not in {401, 403}, (method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/models/iris/predict"),
        ("POST", "/models/no-such-model/versions/1/predict"),
        ("POST", "/v1/models/iris:predict"),
        ("POST", "/v1/models/iris/versions/1:classify"),
        ("POST", "/v2/models/iris/infer"),
        ("POST", "/models/%69ris/predict"),
        ("GET", "/models/iris"),
        ("GET", "/models/iris/versions/1/card"),
        ("GET", "/models/iris/openapi.json"),
        ("GET", "/models/iris/versions/1/openapi.json"),
        ("GET", "/v1/models/iris/metadata"),
        ("GET", "/v2/models/iris/stats"),
        ("GET", "/metrics"),
    ],
)
def test_a_key_for_some_models_is_forbidden_elsewhere(app: FastAPI, method: str, path: str) -> None:
    answer = ask(app, method, path, headers=bearer(ONLY_BLOBS), content=BODY if method == "POST" else None)

    assert answer.status_code == 403


def test_a_key_for_some_models_sees_no_others(app: FastAPI) -> None:
    def text(method: str, path: str, key: str) -> str:
        return ask(app, method, path, headers=bearer(key)).text

    for method, path in (
        ("GET", "/models"),
        ("GET", "/v1/models"),
        ("GET", "/v2/models"),
        ("GET", "/v2/models/stats"),
        ("POST", "/v2/repository/index"),
    ):
        assert "iris" in text(method, path, FIRST), path
        assert re.search("iris|digits", text(method, path, ONLY_BLOBS)) is None, path
        assert "blobs" in text(method, path, ONLY_BLOBS), path


def test_the_default_model_is_answered_only_to_keys_that_are_for_it(tmp_path: Path) -> None:
    lines = (f"{hashed(FIRST)} predict iris", f"{hashed(ONLY_BLOBS)} predict blobs")
    app = create_app(settings_with(tmp_path, *lines))
    statuses = [
        ask(app, "POST", "/predict", headers=bearer(key), content=BODY).status_code for key in (FIRST, ONLY_BLOBS)
    ]

    assert statuses == [403, 200]


def test_softmax_asks_no_model_so_a_key_for_any_model_will_do(app: FastAPI) -> None:
    assert ask(app, "POST", "/softmax", headers=bearer(ONLY_BLOBS), json={"logits": [1, 2]}).status_code == 200


@pytest.mark.parametrize(("access", "status"), [("key", 401), ("open", 200)])
def test_a_setting_opens_the_metrics(tmp_path: Path, access: str, status: int) -> None:
    app = create_app(settings_with(tmp_path, metrics_access=access))

    assert ask(app, "GET", "/metrics").status_code == status


def test_refusals_are_counted(app: FastAPI) -> None:
    def count(reason: str) -> float:
        text = ask(app, "GET", "/metrics", headers=bearer(FIRST)).text
        return sum(float(number) for number in re.findall(rf'rejections_total{{.*reason="{reason}".*}} (\S+)', text))

    before = count("unauthorized"), count("forbidden")
    ask(app, "GET", "/models")
    ask(app, "GET", "/metrics")
    ask(app, "POST", "/softmax", headers=bearer(READER), content=b"{")

    assert (count("unauthorized"), count("forbidden")) == (before[0] + 2, before[1] + 1)


def test_a_preflight_needs_no_key_and_a_page_can_read_the_refusal(tmp_path: Path) -> None:
    app = create_app(settings_with(tmp_path, cors_origins=("https://page.test",)))
    origin = {"Origin": "https://page.test"}
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}

    allowed = ask(app, "OPTIONS", "/predict", headers=origin | asks)
    refused = ask(app, "POST", "/predict", headers=origin, json={"instances": [[1, 2]]})

    assert (allowed.status_code, allowed.headers["access-control-allow-headers"]) == (200, "x-api-key")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://page.test")
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize("operation", ["/predict", "/models/blobs/predict", "/v1/models/blobs:predict"])
def test_the_express_lane_takes_only_requests_that_are_allowed(
    app: FastAPI, settings: Settings, operation: str
) -> None:
    heads = PlainHeads(app.state.operations, settings, app.state.access)

    def takes(key: str) -> bool:
        headers = [(b"host", b"x"), (b"content-length", b"2"), (b"x-api-key", key.encode())]
        return heads.find(operation.encode(), headers) is not None

    assert takes(FIRST)
    assert not takes("unknown")
    assert not takes(READER)
    assert takes(ONLY_BLOBS) == (operation != "/predict")  # the default model may be another one later
