"""Models, health and documentation, by HTTP."""

import json
import re
from typing import Any

import httpx
import pytest

from softmaxd.models.manifest import Manifest
from tests.support.paths import MODELS


@pytest.fixture(scope="module")
def document(client: httpx.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_the_process_is_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_root_names_the_service(client: httpx.Client) -> None:
    about = client.get("/").json()

    assert {**about, "version": ""} == {"status": "alive", "name": "softmaxd", "version": "", "docs": "/docs"}


def test_a_model_is_described_as_its_manifest_says(client: httpx.Client) -> None:
    described = client.get("/models/blobs").json()

    manifest = Manifest.model_validate_json((MODELS / "blobs" / described["version"] / "manifest.json").read_bytes())
    assert described["default"] is True
    assert described["state"] == "ready"
    assert described["provider"] in {"CPUExecutionProvider", "CUDAExecutionProvider"}
    assert described["classes"] == ["blob-0", "blob-1", "blob-2", "blob-3"]
    assert [feature["name"] for feature in described["features"]] == ["x1", "x2"]
    assert described["sha256"] == manifest.sha256
    assert described["metrics"] == manifest.metrics
    assert manifest.provenance is not None
    assert described["provenance"] == manifest.provenance.model_dump(mode="json")


def test_the_list_holds_every_version(client: httpx.Client) -> None:
    models = client.get("/models").json()["models"]

    folders = sorted((path.parent.parent.name, path.parent.name) for path in MODELS.glob("*/*/manifest.json"))
    assert [(model["name"], model["version"]) for model in models] == folders
    for model in models:
        path = f"/models/{model['name']}/versions/{model['version']}"
        assert client.get(path).json() == model


def test_the_documentation_page_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")

    assert page.status_code == 200
    assert "https://" not in page.text
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
        assert f'"docs/assets/{asset}"' in page.text
        assert client.get(f"/docs/assets/{asset}").status_code == 200


def test_every_operation_is_documented(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            for response in operation["responses"].values():
                assert response["description"], path
                assert all("schema" in content for content in response["content"].values()), path
                assert response["content"] or operation["operationId"] == "get_picture", path


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)))

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references
    assert references <= known


def test_every_example_of_the_documentation_is_answered(client: httpx.Client, document: dict[str, Any]) -> None:
    posted = 0
    for path, methods in document["paths"].items():
        if "post" in methods:
            for example in methods["post"]["requestBody"]["content"]["application/json"]["examples"].values():
                target = path.format(name="blobs", version=client.get("/models/blobs").json()["version"])
                response = client.post(target, json=example["value"])
                assert response.status_code == 200, response.text
                posted += 1

    assert posted >= 8


def test_the_example_answers_are_the_ones_that_are_given(client: httpx.Client, document: dict[str, Any]) -> None:
    for path in ("/softmax", "/predict"):
        operation = document["paths"][path]["post"]
        requests = operation["requestBody"]["content"]["application/json"]["examples"]
        answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
        assert requests.keys() == answers.keys()
        for name, example in requests.items():
            answer = client.post(path, json=example["value"]).json()
            assert json.dumps(answer) == json.dumps(answers[name]["value"]), (path, name)
