"""The JSON schema of a model's rows by feature name: it accepts a row if decoding does.

A difference is left: a feature with `values` that are no whole numbers takes any number of its type here.
"""

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Literal

import numpy as np

from softmaxd.models.by_name import listed
from softmaxd.models.datatypes import MAX_SAFE_INTEGER
from softmaxd.models.features import DTYPES, Datatype, Feature, TableDatatype
from softmaxd.models.manifest import Manifest

FeatureType = Literal["number", "integer", "string", "boolean", "array"]
Schema = dict[str, Any]

NULL = "null"
# The first number that float32 rounds to infinity: halfway between its largest one and 2¹²⁸ (IEEE 754-2019, 4.3.1).
TOO_LARGE = 2.0**128 - 2.0**103
LARGEST = float(np.finfo(np.float64).max)
FLOATS: Mapping[str, Schema] = {
    "FP32": {"format": "float", "exclusiveMinimum": -TOO_LARGE, "exclusiveMaximum": TOO_LARGE},
    "FP64": {"format": "double", "minimum": -LARGEST, "maximum": LARGEST},
}


def type_of(feature: Feature, datatype: Datatype) -> FeatureType:
    """Return the type of a feature's values as JSON names it; `datatype` is that of features without their own."""
    if feature.shape:
        return "array"
    own = feature.datatype or datatype
    if own == "BYTES":
        return "string"
    if own == "BOOL":
        return "boolean"
    return "integer" if "INT" in own else "number"


def row_schema(manifest: Manifest) -> Schema:
    """Return the schema of a row as an object by feature name."""
    required = [feature.name for feature in manifest.features if not feature.nullable]
    return {
        "title": "Row",
        "description": "The value of each feature.",
        "type": "object",
        "properties": {feature.name: _property(feature, manifest.datatype) for feature in manifest.features},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _property(feature: Feature, datatype: Datatype) -> Schema:
    schema = _value(feature, type_of(feature, datatype), feature.datatype or datatype)
    if feature.nullable and "enum" in schema:  # generators of clients make one type of this form
        schema = {"anyOf": [schema, {"type": NULL}]}
    elif feature.nullable:
        schema["type"] = [schema["type"], NULL]
    if feature.min is not None and feature.max is not None:
        schema["x-range"] = {"minimum": feature.min, "maximum": feature.max}
    if feature.categories:
        schema["x-categories"] = list(feature.categories)
    if description := " ".join(_sentences(feature)):
        schema["description"] = description
    return schema


def _value(feature: Feature, kind: FeatureType, datatype: TableDatatype) -> Schema:
    """Return the schema of a value that is not missing."""
    if datatype == "BYTES":
        return {"type": kind, **(enum_of(_choices(feature)) if feature.only_categories else {})}
    if datatype == "BOOL":
        return {"type": kind}
    if feature.values and all(float(value).is_integer() for value in feature.values):
        return {"type": kind, "enum": [int(value) for value in feature.values]}
    number: Schema = {"type": "integer" if "INT" in datatype else "number", **_bounds(datatype)}
    return reduce(_list_of, reversed(feature.shape), number)


def enum_of(texts: Sequence[str]) -> Schema:
    """Return the part of a schema that lists the only texts.

    Generators of clients make names of texts. Where two texts differ only in signs or case, the extension
    `x-enum-varnames`, which they follow, keeps these names apart.
    """
    unlike = {re.sub(r"[\W_]+", "", text).casefold() for text in texts}
    names = {} if len(unlike) == len(texts) else {"x-enum-varnames": [f"VALUE_{index}" for index in range(len(texts))]}
    return {"enum": list(texts), **names}


def _choices(feature: Feature) -> list[str]:
    """Return the only texts of a feature; that which stands for a missing one is among them."""
    is_more = feature.nullable and feature.missing not in feature.categories
    return [*feature.categories, feature.missing] if is_more else [*feature.categories]


def _bounds(datatype: Datatype) -> Schema:
    if datatype in FLOATS:
        return dict(FLOATS[datatype])
    limits = np.iinfo(DTYPES[datatype])
    return {"minimum": max(limits.min, -MAX_SAFE_INTEGER), "maximum": min(limits.max, MAX_SAFE_INTEGER)}


def _list_of(items: Schema, size: int) -> Schema:
    return {"type": "array", "items": items, "minItems": size, "maxItems": size}


def _sentences(feature: Feature) -> list[str]:
    """Return a description for people, sentence by sentence."""
    sentences = []
    if feature.min is not None and feature.max is not None and not feature.values:
        sentences.append(f"From {feature.min:g} to {feature.max:g} in the training rows; others are taken, too.")
    if feature.categories:
        more = "" if feature.only_categories else " Other texts are taken, too."
        sentences.append(f"The model knows {listed(list(map(repr, feature.categories)))}.{more}")
    if feature.values:
        sentences.append(f"One of {listed([f'{value:g}' for value in feature.values])}.")
    if feature.nullable:
        sentences.append("May be missing: null, or absent.")
    return sentences
