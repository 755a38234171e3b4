"""The OpenAPI document: operations read their bodies themselves, so FastAPI cannot see their schemas."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from softmaxd.errors import InvalidBody, OutputNotFinite, ServiceError
from softmaxd.models.inputs import EXACT
from softmaxd.models.manifest import Manifest
from softmaxd.models.model import Model

Examples = Mapping[str, tuple[Any, Any]]  # request and answer, by name
VALIDATION_SCHEMAS = ("HTTPValidationError", "ValidationError")  # of FastAPI

Responses = dict[int | str, dict[str, Any]]  # by status, as FastAPI takes them


@dataclass(frozen=True, slots=True, kw_only=True)
class Docs:
    """The entry of a path in the OpenAPI document, as far as FastAPI cannot see it."""

    operation_id: str
    tag: str
    summary: str
    description: str | None = None
    request: TypeAdapter[Any]
    reply: type
    errors: Responses
    examples: Examples = field(default_factory=dict)
    needs_body: bool = True
    other_content: Mapping[str, Any] = field(default_factory=dict)  # answers of other media types


def route_arguments(path: str, docs: Docs) -> dict[str, Any]:
    """Return the arguments of a FastAPI route that takes a POST and reads the body itself."""
    requests = {name: {"value": body} for name, (body, _) in docs.examples.items()}
    replies = {name: {"value": answer} for name, (_, answer) in docs.examples.items()}
    schema = docs.request.json_schema(ref_template="#/components/schemas/{model}")
    body = {"required": docs.needs_body, "content": {"application/json": {"schema": schema, "examples": requests}}}
    content = {"application/json": {"examples": replies}, **docs.other_content}
    return {
        "methods": ["POST"],
        "operation_id": docs.operation_id,
        "tags": [docs.tag],
        "summary": docs.summary,
        "description": docs.description,
        "openapi_extra": {**path_parameters(path), "requestBody": body},
        "responses": {200: {"model": docs.reply, "content": content}, **docs.errors},
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Give the bodies of requests names among the schemas, and drop the errors that cannot occur."""
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for operation in methods.values():
            _name_body(operation, schemas)
            _drop_validation_error(operation)
    for name in VALIDATION_SCHEMAS:
        schemas.pop(name, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _name_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        schema = content["schema"]
        schemas |= schema.pop("$defs", {})
        schemas[schema["title"]] = schema
        content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def _drop_validation_error(operation: dict[str, Any]) -> None:
    """Drop the 422 that FastAPI declares for parameters: every text is a valid name and a valid version."""
    if operation["responses"].get("422", {}).get("description") == "Validation Error":
        del operation["responses"]["422"]


def path_parameters(path: str) -> dict[str, Any]:
    """Return the parameters of a path, if it has any."""
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    return {"parameters": parameters} if parameters else {}


def refusal(error: type[ServiceError], body: type) -> dict[str, Any]:
    """Return the response that an error is, with a body of this type."""
    return {
        "model": body,
        "description": (error.__doc__ or "").strip(),
        "headers": {name: {"schema": {"type": "string"}, "example": value} for name, value in error.headers.items()},
    }


def examples_of(model: Model | None, make: Callable[[Model], Examples]) -> Examples:
    """Return examples with a model's answers, if there is a model.

    None either when an answer is not finite: where the ranges of the features are unknown, the rows are zeros, whatever
    the model takes. None when its type does not have the numbers of these ranges.
    """
    try:
        return {} if model is None else make(model)
    except (InvalidBody, OutputNotFinite):
        return {}


def example_rows(manifest: Manifest) -> list[list[float]]:
    """Return two rows of features, at a quarter and at three quarters of their ranges."""
    is_whole = manifest.dtype.kind != "f"
    return [
        [_between(feature.min or 0.0, feature.max or 0.0, share, is_whole=is_whole) for feature in manifest.features]
        for share in (0.25, 0.75)
    ]


def _between(low: float, high: float, share: float, *, is_whole: bool) -> float:
    number = (1 - share) * low + share * high
    return round(min(max(number, -EXACT), EXACT)) if is_whole else float(f"{number:.3g}")
