"""The OpenAPI document of one model: its predictions, with typed rows and its own labels."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from softmaxd.http.openapi import example_records
from softmaxd.models.manifest import Manifest
from softmaxd.models.row_schema import enum_of, row_schema
from softmaxd.protocols.native.schemas import NEED_CALIBRATION

SCHEMAS = "#/components/schemas/"
LABEL = {"$ref": f"{SCHEMAS}Label"}
JSON = "application/json"

Document = dict[str, Any]


def document_of(whole: Mapping[str, Any], manifest: Manifest, paths: Sequence[str], root_path: str) -> Document:
    """Return the OpenAPI document of a model's operations, given that of the whole service.

    `paths` are those of the whole document: `{name}` and `{version}` become those of the model. `root_path` is the
    prefix under which the service is, or empty.
    """
    key = {"name": manifest.name, "version": manifest.version}
    operations = {path.format_map(key): {"post": _operation(whole["paths"][path]["post"], manifest)} for path in paths}
    schemas = deepcopy(whole["components"]["schemas"])
    schemas["Row"] = row_schema(manifest)
    schemas["Label"] = {"title": "Label", "type": "string", **enum_of(list(dict.fromkeys(manifest.labels)))}
    _narrow_request(schemas["PredictRequest"]["properties"], manifest)
    _narrow_reply(schemas["PredictReply"]["properties"], manifest)
    schemas["Ranked"]["properties"]["label"] = LABEL
    used = _used(operations, schemas)
    return {
        "openapi": whole["openapi"],
        "info": {"title": manifest.name, "version": str(manifest.version), "description": _description(manifest)},
        "servers": [{"url": root_path or "/"}],
        "paths": operations,
        "components": {**whole["components"], "schemas": {name: schemas[name] for name in sorted(used)}},
    }


def _description(manifest: Manifest) -> str:
    return (
        f"Predictions of {manifest.name} version {manifest.version}: {len(manifest.features)} features of each row, "
        f"{len(manifest.labels)} labels."
    )


def _operation(shared: Mapping[str, Any], manifest: Manifest) -> Document:
    """Return an operation of the service as one of this model, with an example of its rows."""
    operation = deepcopy(dict(shared))
    operation.pop("parameters", None)
    operation["responses"]["200"]["content"][JSON].pop("examples", None)
    body = operation["requestBody"]["content"][JSON]
    body.pop("examples", None)
    if not manifest.depth:  # a tensor may be large
        body["example"] = {"instances": example_records(manifest)}
    return operation


def _narrow_request(fields: Document, manifest: Manifest) -> None:
    fields["instances"] = {
        "title": "Instances",
        "type": "array",
        "items": {"$ref": f"{SCHEMAS}Row"},
        "minItems": 1,
        "description": "Rows by feature name.",
    }
    fields["top_k"]["maximum"] = len(manifest.labels)
    if manifest.calibration is None:
        include = fields["include"]["items"]
        include["enum"] = [name for name in include["enum"] if name not in NEED_CALIBRATION]
        fields["include"]["description"] = "More fields of the answer."
        del fields["coverage"], fields["coverage_by"]
    elif manifest.calibration.by_label is None:
        del fields["coverage_by"]


def _narrow_reply(fields: Document, manifest: Manifest) -> None:
    fields["labels"]["items"] = fields["not_guaranteed"]["items"] = fields["prediction_sets"]["items"]["items"] = LABEL
    if manifest.calibration is None:
        del fields["prediction_sets"], fields["not_guaranteed"], fields["typicality"]
    if not manifest.vocabularies:
        del fields["unknown"]


def _used(operations: Document, schemas: Mapping[str, Any]) -> set[str]:
    """Return the names of the schemas that operations use, by others, too."""
    used: set[str] = set()
    found = set(_references(operations))
    while found:
        used |= found
        found = {name for each in found for name in _references(schemas[each])} - used
    return used


def _references(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):  # a feature may have this name, too
            yield reference.removeprefix(SCHEMAS)
        for item in node.values():
            yield from _references(item)
