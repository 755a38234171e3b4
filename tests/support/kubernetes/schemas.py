"""Checks objects by the schemas of their API, strictly: a field that the API does not know is an error, too.

Kubernetes' own are in kubernetes-validate. Those of Prometheus Operator come from models that are generated from its
CustomResourceDefinitions, those of KServe from its SDK, which is generated from its OpenAPI.
"""

import ast
import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
from kubernetes_validate.utils import all_versions, schema_contents
from referencing import Registry, Resource

Object = dict[str, Any]

VERSIONS = sorted(set(all_versions()), key=lambda version: [int(part) for part in version.split(".")])[-3:]
DEFINITIONS = "https://kubernetes.io/api/_definitions.json"
KSERVE = {"ServingRuntime": "V1alpha1ServingRuntime", "InferenceService": "V1beta1InferenceService"}
UNKNOWN: Object = {"not": {}}  # of a type that the SDK names and does not have: such a field must not be used
BUILT_IN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "object": "object"}


def check(found: Object) -> list[str]:
    """Return the names of the schemas that an object matches. Raises `jsonschema.ValidationError`."""
    return _check(json.dumps(found, sort_keys=True))


@cache
def _check(text: str) -> list[str]:
    """Check an object as JSON: many are the same in several forms, and each check reads megabytes of schemas."""
    found = json.loads(text)
    group = found["apiVersion"].partition("/")[0]
    if group == "monitoring.coreos.com":
        jsonschema.Draft202012Validator(_monitoring(found["kind"])).validate(found)
        return ["prometheus-operator"]
    if group == "serving.kserve.io":
        registry = Resource.from_contents(_definitions()) @ Registry[Any]()
        schema = {"$id": "https://kubernetes.io/api/kserve.json", **_kserve(KSERVE[found["kind"]])}
        jsonschema.Draft202012Validator(schema, registry=registry).validate(found)
        return ["kserve"]
    for version in VERSIONS:
        kubernetes_validate.validate(found, version, strict=True)
    return VERSIONS


@cache
def _definitions() -> Object:
    found = schema_contents(f"kubernetes-json-schema/v{VERSIONS[-1]}-local-strict/_definitions.json", VERSIONS[-1])
    assert isinstance(found, dict)
    return found


@cache
def _monitoring(kind: str) -> Object:
    from cloudcoil.models.prometheus_operator import v1  # noqa: PLC0415 - it takes two seconds

    found = _closed(getattr(v1, kind).model_json_schema())
    assert isinstance(found, dict)
    return found


def _closed(schema: Any) -> Any:
    """Return a schema in which no object has other properties, and none is null for being optional."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if len(kinds := schema.get("anyOf", [])) == 2 and kinds[1] == {"type": "null"}:
        return _closed(kinds[0])
    closed = {name: _closed(each) for name, each in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in closed else closed


@cache
def _kserve(name: str) -> Object:
    """Return the schema of a class of KServe's SDK, which has the types of its attributes, and the names in JSON."""
    source = _source(name)
    values = {node.targets[0].id: node.value for node in ast.walk(ast.parse(source)) if _is_named(node)}  # type: ignore[attr-defined]
    types, names = (ast.literal_eval(values[each]) for each in ("openapi_types", "attribute_map"))
    needed = re.findall(r"client_side_validation and (\w+) is None", source)
    return {
        "type": "object",
        "properties": {names[attribute]: _type(kind) for attribute, kind in types.items()},
        "required": [names[attribute] for attribute in needed],
        "additionalProperties": False,
    }


def _is_named(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def _type(kind: str) -> Object:
    """Return the schema of a type as the SDK writes it: `str`, `list[V1Container]`, `dict(str, str)`."""
    if kind in BUILT_IN:
        return {"type": BUILT_IN[kind]}
    if found := re.fullmatch(r"list\[(.+)\]", kind):
        return {"type": "array", "items": _type(found[1])}
    if found := re.fullmatch(r"dict\(str, (.+)\)", kind):
        return {"type": "object", "additionalProperties": _type(found[1])}
    if _folder().joinpath(f"{_snake(kind)}.py").exists():
        return _kserve(kind)
    names = [each for each in _definitions()["$defs"] if re.fullmatch(rf"io\.k8s\..*\.v1\.{kind[2:]}", each)]
    return {"$ref": f"{DEFINITIONS}#/$defs/{names[0]}"} if names else UNKNOWN


def _source(name: str) -> str:
    return _folder().joinpath(f"{_snake(name)}.py").read_text(encoding="utf-8")


def _folder() -> Path:
    spec = find_spec("kserve")  # without its import, which needs all of its packages
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], "models")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
