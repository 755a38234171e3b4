import re
from collections.abc import Iterator
from typing import Any

import pytest

from softmaxd.app import create_app
from softmaxd.errors import InvalidBody, ModelNotFound, ModelNotLoaded, OutputNotFinite, QueueFull, ServiceError
from softmaxd.http.openapi import error_responses, example_rows, examples_of, path_parameters
from softmaxd.models.features import Datatype, Feature
from softmaxd.models.loading import load
from softmaxd.settings import Settings
from tests.support.manifests import manifest
from tests.support.paths import MODELS


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:  # Any: JSON
    return create_app(Settings(models_dir=MODELS)).openapi()


def entries(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the entry of each operation, with its path."""
    for path, methods in document["paths"].items():
        for entry in methods.values():
            yield path, entry


def references(node: object) -> Iterator[str]:
    """Give all references below a node."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref")
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(child)


def test_operation_ids_are_unique_words_for_functions(document: dict[str, Any]) -> None:
    ids = [entry["operationId"] for _, entry in entries(document)]

    assert len(set(ids)) == len(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z]+)*", name)] == []


def test_every_operation_has_a_summary_and_a_tag_that_is_described(document: dict[str, Any]) -> None:
    described = {tag["name"] for tag in document["tags"] if tag["description"]}

    assert {tag for _, entry in entries(document) for tag in entry["tags"]} == described
    assert [path for path, entry in entries(document) if not entry["summary"]] == []


def test_every_schema_is_named_and_used(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    used = {name.removeprefix("#/components/schemas/") for name in references(document)}

    assert used == set(schemas)
    assert [name for name in schemas if not re.fullmatch(r"[A-Za-z0-9]+", name)] == []


def test_every_body_of_a_request_is_a_named_schema(document: dict[str, Any]) -> None:
    bodies = [entry["requestBody"] for _, entry in entries(document) if "requestBody" in entry]

    assert bodies
    assert all(list(body["content"]["application/json"]["schema"]) == ["$ref"] for body in bodies)


def test_every_parameter_of_a_path_is_declared(document: dict[str, Any]) -> None:
    for path, entry in entries(document):
        declared = [parameter["name"] for parameter in entry.get("parameters", [])]
        assert declared == re.findall(r"{(\w+)}", path), path


def test_a_key_may_be_left_out_but_for_changes_while_none_is_configured(document: dict[str, Any]) -> None:
    security = {entry["operationId"]: entry["security"] for _, entry in entries(document) if "security" in entry}
    needed: list[dict[str, list[str]]] = [{"Bearer": []}, {"ApiKey": []}]

    assert {name for name, each in security.items() if each == needed} == {"v2_load", "v2_unload"}
    assert security["predict"] == [{}, *needed]
    assert set(security) == {entry["operationId"] for _, entry in entries(document) if "401" in entry["responses"]}


def test_the_document_is_the_same_each_time() -> None:
    app = create_app(Settings(models_dir=MODELS))

    assert app.openapi() is app.openapi()


def test_a_path_without_parameters_declares_none() -> None:
    assert path_parameters("/predict") == {}


def test_errors_of_one_status_share_a_response_and_responses_come_by_status() -> None:
    def form(error: type[ServiceError]) -> tuple[int, type]:
        return (400 if error is ModelNotLoaded else error.status), str

    responses = error_responses([QueueFull, OutputNotFinite, InvalidBody, ModelNotFound, ModelNotLoaded], form)

    assert list(responses) == [400, 404, 422, 429]
    assert responses[422]["description"] == f"{OutputNotFinite.__doc__} {InvalidBody.__doc__}"
    assert responses[429]["headers"] == {"Retry-After": {"schema": {"type": "string"}, "example": "1"}}


def rows(datatype: Datatype, low: float | None, high: float | None) -> list[list[float]]:
    feature = Feature(name="x", min=low, max=high)
    return example_rows(manifest(features=(feature,), datatype=datatype))


def test_rows_are_within_the_ranges_with_few_digits() -> None:
    assert rows("FP32", 0, 1.2345) == [[0.309], [0.926]]
    assert rows("FP64", None, None) == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 11, [[3], [8]]), (None, None, [[0], [0]]), (-1.7e308, 1.7e308, [[1 - 2**53], [2**53 - 1]])],
)
def test_rows_of_an_integer_type_are_whole(low: float | None, high: float | None, expected: list[list[int]]) -> None:
    found = rows("INT64", low, high)

    assert found == expected
    assert all(type(number) is int for row in found for number in row)


@pytest.mark.parametrize(("datatype", "expected"), [("INT8", [[2], [8]]), ("FP32", [[2.0], [8.0]])])
def test_rows_have_the_only_numbers_that_a_model_takes(datatype: Datatype, expected: list[list[float]]) -> None:
    feature = Feature(name="x", min=1, max=8, values=(1, 2, 4, 8))

    found = example_rows(manifest(features=(feature,), datatype=datatype))

    assert found == expected
    assert [type(number) for row in found for number in row] == [type(number) for row in expected for number in row]


@pytest.mark.parametrize("error", [InvalidBody(), OutputNotFinite(0)])
def test_there_are_no_examples_of_rows_that_the_model_does_not_take(error: Exception) -> None:
    model = load(MODELS / "blobs" / "1", Settings())

    def fail(_model: object) -> dict[str, tuple[object, object]]:
        raise error

    assert examples_of(model, fail) == {}
    assert examples_of(None, fail) == {}
