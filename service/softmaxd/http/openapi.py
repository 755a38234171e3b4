"""The OpenAPI document: operations read their bodies themselves, so FastAPI cannot see their schemas."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast, get_args

import numpy as np
from pydantic import TypeAdapter

from softmaxd.access import Scope
from softmaxd.errors import CannotRun, InvalidBody, OutputNotFinite, ServiceError, Unauthorized
from softmaxd.models.datatypes import MAX_SAFE_INTEGER
from softmaxd.models.features import Feature, TableDatatype
from softmaxd.models.manifest import Manifest
from softmaxd.models.model import Model

Examples = Mapping[str, tuple[Any, Any]]  # request and answer, by name
Responses = dict[int | str, dict[str, Any]]  # by status, as FastAPI takes them

REFERENCE = "#/components/schemas/{model}"  # to a schema in the document
PARAMETERS = {
    "name": "The name of a model.",
    "version": "A version of the model: a whole number.",
    "picture": "The name of a picture that the card shows.",
    "kind": "`png` or `svg`.",
}
SECURITY_SCHEMES = {
    "Bearer": {"type": "http", "scheme": "bearer", "description": "A key that the service knows."},
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key, in this header."},
}
WITH_KEY: list[dict[str, list[str]]] = [{scheme: []} for scheme in SECURITY_SCHEMES]  # any of them
WITHOUT_KEY: dict[str, list[str]] = {}
UNAUTHORIZED = str(Unauthorized.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docs:
    """The entry of an operation in the OpenAPI document."""

    operation_id: str
    tag: str
    summary: str
    description: str | None = None
    request: TypeAdapter[Any]
    reply: type
    errors: Responses
    examples: Examples = field(default_factory=dict)
    needs_body: bool = True
    scope: Scope = "predict"  # that a key must have
    other_content: Mapping[str, Any] = field(default_factory=dict)  # of the reply, by media type


def route_arguments(path: str, docs: Docs) -> dict[str, Any]:
    """Return the arguments of a FastAPI route that takes a POST and reads the body itself."""
    requests = {name: {"value": body} for name, (body, _) in docs.examples.items()}
    replies = {name: {"value": answer} for name, (_, answer) in docs.examples.items()}
    schema = docs.request.json_schema(ref_template=REFERENCE)
    body = {"required": docs.needs_body, "content": {"application/json": {"schema": schema, "examples": requests}}}
    content = {"application/json": {**_refer_to(docs.reply), "examples": replies}, **docs.other_content}
    security: dict[str, Any] = {"security": WITH_KEY} if docs.scope == "admin" else {}
    return {
        "methods": ["POST"],
        "operation_id": docs.operation_id,
        "tags": [docs.tag],
        "summary": docs.summary,
        "description": docs.description,
        "openapi_extra": {**path_parameters(path), "requestBody": body, **security},
        "responses": {200: {"content": content}, **docs.errors},
    }


def _refer_to(body: type) -> dict[str, Any]:
    """Return the schema of a type, or of a list of it, as a reference to one that `complete` adds.

    FastAPI would make a validator of the type for each response.
    """
    reference = {"$ref": REFERENCE.format(model=_item(body).__name__)}
    return {"schema": reference if _item(body) is body else {"type": "array", "items": reference}}


def _item(body: type) -> type:
    item: type = next(iter(get_args(body)), body)
    return item


def complete(document: dict[str, Any], bodies: Iterable[type], *, is_open: bool) -> dict[str, Any]:
    """Add the schemas of these bodies, and of those of requests, under their names; say which operations need a key.

    Those are the operations that may answer 401; with `is_open` the service answers them without a key, too.
    """
    schemas = document["components"]["schemas"]
    for body in map(_item, bodies):
        schema = TypeAdapter(body).json_schema(mode="serialization", ref_template=REFERENCE)
        schemas |= {**schema.pop("$defs", {}), body.__name__: schema}
    for methods in document["paths"].values():
        for operation in methods.values():
            _name_body(operation, schemas)
            if UNAUTHORIZED in operation["responses"]:
                operation.setdefault("security", [WITHOUT_KEY, *WITH_KEY] if is_open else WITH_KEY)
    document["components"] = {"schemas": dict(sorted(schemas.items())), "securitySchemes": SECURITY_SCHEMES}
    return document


def _name_body(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    if "requestBody" in operation:
        content = operation["requestBody"]["content"]["application/json"]
        schema = content["schema"]
        schemas |= schema.pop("$defs", {})
        schemas[schema["title"]] = schema
        content["schema"] = {"$ref": f"#/components/schemas/{schema['title']}"}


def path_parameters(path: str) -> dict[str, Any]:
    """Return the parameters of a path, if it has any.

    A route that declared them itself would announce a 422, which cannot occur: each text is a name or a version.
    """
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": PARAMETERS[name]}
        for name in re.findall(r"{(\w+)}", path)
    ]
    return {"parameters": parameters} if parameters else {}


def error_responses(
    errors: Iterable[type[ServiceError]], form: Callable[[type[ServiceError]], tuple[int, type]]
) -> Responses:
    """Return the responses of errors; `form` gives the status and the type of the body of each."""
    responses: Responses = {}
    for error, (status, body) in sorted(((error, form(error)) for error in errors), key=lambda each: each[1][0]):
        content = {"application/json": _refer_to(body)}
        response = responses.setdefault(status, {"description": "", "headers": {}, "content": content})
        response["description"] = f"{response['description']} {(error.__doc__ or '').strip()}".strip()
        for name, value in error.headers.items():
            response["headers"][name] = {"schema": {"type": "string"}, "example": value}
    return responses


def examples_of(model: Model | None, make: Callable[[Model], Examples]) -> Examples:
    """Return examples with a model's answers; none without a model.

    None either if the model cannot run the rows or answers with numbers that are not finite: the rows are a guess where
    the ranges of the features are unknown.
    """
    try:
        return {} if model is None else make(model)
    except (InvalidBody, CannotRun, OutputNotFinite):
        return {}


def example_rows(manifest: Manifest) -> list[list[Any]]:
    """Return two rows of features, at a quarter and at three quarters of their ranges, in the shape of a row."""
    datatypes = [feature.datatype or manifest.datatype for feature in manifest.columns]
    rows = [
        [_example(each, datatype, share) for each, datatype in zip(manifest.columns, datatypes, strict=True)]
        for share in (0.25, 0.75)
    ]
    if not manifest.depth:
        return rows
    return cast(list[list[Any]], np.array(rows, dtype=object).reshape(2, *manifest.layout.shape).tolist())


def example_records(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the same rows by feature name."""
    rows = example_rows(manifest)
    if manifest.depth:
        return [{manifest.features[0].name: row} for row in rows]
    names = [feature.name for feature in manifest.features]
    return [dict(zip(names, row, strict=True)) for row in rows]


def _example(feature: Feature, datatype: TableDatatype, share: float) -> float | str | bool:
    """Return a value of a feature, at this share of its range or of its categories."""
    if datatype == "BYTES":
        categories = feature.categories or (feature.missing,)
        return categories[int(share * len(categories))]
    if datatype == "BOOL":
        return share > 0.5  # noqa: PLR2004 - one half
    if feature.values:
        value = feature.values[int(share * len(feature.values))]
        return int(value) if "INT" in datatype else value
    return _between(feature.min or 0.0, feature.max or 0.0, share, is_whole="INT" in datatype)


def _between(low: float, high: float, share: float, *, is_whole: bool) -> float:
    number = (1 - share) * low + share * high
    return round(min(max(number, -MAX_SAFE_INTEGER), MAX_SAFE_INTEGER)) if is_whole else float(f"{number:.3g}")
