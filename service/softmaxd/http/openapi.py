"""What FastAPI cannot see of an operation, as it reads its body itself: its part of the OpenAPI document."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from softmaxd.errors import InvalidBody, OutputNotFinite, ServiceError
from softmaxd.models.inputs import EXACT
from softmaxd.models.manifest import Manifest
from softmaxd.models.model import Model

Examples = Mapping[str, tuple[Any, Any]]  # request and answer, by name
Responses = dict[int | str, dict[str, Any]]  # by status, as FastAPI takes them


def operation_docs(
    path: str,
    request: TypeAdapter[Any],
    reply: type,
    refusals: Responses,
    examples: Examples,
    *,
    needs_body: bool = True,
) -> dict[str, Any]:
    """Return what a route of an operation has to be given beside its summary."""
    requests = {name: {"value": body} for name, (body, _) in examples.items()}
    replies = {name: {"value": answer} for name, (_, answer) in examples.items()}
    schema = request.json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {})), "examples": requests}}
    return {
        "openapi_extra": {**path_parameters(path), "requestBody": {"required": needs_body, "content": content}},
        "responses": {200: {"model": reply, "content": {"application/json": {"examples": replies}}}, **refusals},
    }


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema with its definitions in their places: in an OpenAPI document no reference would find them."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].removeprefix("#/$defs/")], definitions)
    return {key: _inlined(item, definitions) for key, item in node.items()}


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
