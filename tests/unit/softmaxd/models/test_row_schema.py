import math
from typing import Any, get_args

import jsonschema_rs
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmaxd.errors import InvalidBody
from softmaxd.models.features import DTYPES, Datatype, Feature, TableDatatype
from softmaxd.models.manifest import Manifest
from softmaxd.models.row_schema import enum_of, row_schema, type_of
from softmaxd.protocols.native.codec import decode_predict
from tests.support.manifests import manifest

Json = Any  # a value of JSON

TEXTS = ("clerk", "Köchin", 'say "x"},{')
TOO_LARGE = 2.0**128 - 2.0**103  # for float32
LIMITS = [np.iinfo(dtype) for dtype in DTYPES.values() if dtype.kind in "iu"]
EDGES = [edge for limits in LIMITS for edge in (limits.min - (limits.min < 0), limits.min, limits.max, limits.max + 1)]
EDGES += [2**53 - 1, 2**53, 1 - 2**53, -(2**53)]
numbers = st.one_of(
    st.sampled_from([edge for edge in EDGES if -(2**63) <= edge < 2**64]),  # as far as orjson writes them
    st.sampled_from([float(edge) for edge in EDGES]),
    st.sampled_from([TOO_LARGE, math.nextafter(TOO_LARGE, 0), -TOO_LARGE, math.nextafter(-TOO_LARGE, 0), -0.0, 0.5]),
    st.integers(-3, 300),
    st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(st.sampled_from([*TEXTS, "", "?"]), st.text(max_size=3))
others = st.sampled_from([[1.0], {}, [], ["clerk"], "1", 1, True])
datatypes: st.SearchStrategy[TableDatatype] = st.sampled_from(get_args(TableDatatype))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Draw the manifest of a table with an input for each feature, or of numbers of one type without a table."""
    if draw(st.booleans()):
        return manifest(draw(st.integers(1, 3)), datatype=draw(st.sampled_from(get_args(Datatype))))
    found = []
    for name in ("a", "$ref", "ä b")[: draw(st.integers(1, 3))]:
        datatype = draw(datatypes)
        is_nullable = datatype in {"FP32", "FP64", "BYTES"} and draw(st.booleans())
        feature: Json = {"name": name, "input": f"input {name}", "datatype": datatype, "nullable": is_nullable}
        if datatype == "BYTES":
            missing, is_closed = draw(st.sampled_from(["", "?", "clerk"])), draw(st.booleans())
            feature |= {"categories": TEXTS, "only_categories": is_closed, "missing": missing}
        found.append(feature)
    return manifest(features=found)


@st.composite
def rows(draw: st.DrawFn, described: Manifest) -> dict[str, Json]:
    """Draw a row that may be wrong: values of other types, absent and unknown features."""
    row = {}
    for feature in described.features:
        kind = type_of(feature, described.datatype)
        right = texts if kind == "string" else st.booleans() if kind == "boolean" else numbers
        if draw(st.integers(0, 9)):
            row[feature.name] = draw(draw(st.sampled_from([right, right, right, right, st.none(), others])))
    return row if draw(st.integers(0, 9)) else {**row, "more": 1}


def is_decoded(row: dict[str, Json], described: Manifest) -> bool:
    try:
        decode_predict(orjson.dumps({"instances": [row]}), described, max_rows=1)
    except InvalidBody:
        return False
    return True


@given(st.data())
def test_a_row_is_valid_if_it_is_decoded(data: st.DataObject) -> None:
    described = data.draw(manifests())
    row = data.draw(rows(described))
    validator = jsonschema_rs.Draft202012Validator(row_schema(described))

    assert validator.is_valid(orjson.loads(orjson.dumps(row))) == is_decoded(row, described)


@pytest.mark.parametrize(
    ("tensor", "is_valid"),
    [
        ([[1, 2.5, 3], [4, 5, 6]], True),
        ([[1, 2, 3], [4, 5]], False),
        ([[1, 2, 3]], False),
        ([1, 2, 3, 4, 5, 6], False),
        ([[1, 2, 3], [4, 5, None]], False),
        (1, False),
    ],
)
def test_a_tensor_is_lists_of_its_shape(tensor: Json, is_valid: bool) -> None:
    described = manifest(features=[{"name": "image", "shape": [2, 3]}])

    assert jsonschema_rs.Draft202012Validator(row_schema(described)).is_valid({"image": tensor}) == is_valid
    assert type_of(described.features[0], "FP32") == "array"


def test_a_row_is_described_for_people_and_programs() -> None:
    age = {"name": "age", "input": "numbers", "min": 18, "max": 90, "nullable": True, "datatype": "FP64"}
    job = {"name": "job", "input": "job", "datatype": "BYTES", "categories": ["clerk", "cook"], "nullable": True}
    plan = {**job, "name": "plan", "input": "plan", "only_categories": True}
    rooms = {"name": "rooms", "input": "rooms", "datatype": "INT8", "min": 1, "max": 3, "values": [1, 3]}

    schema = row_schema(manifest(features=[age, job, plan, rooms, {"name": "is open", "datatype": "BOOL"}]))

    assert schema == {
        "title": "Row",
        "description": "The value of each feature.",
        "type": "object",
        "properties": {
            "age": {
                "type": ["number", "null"],
                "format": "double",
                "minimum": -1.7976931348623157e308,
                "maximum": 1.7976931348623157e308,
                "x-range": {"minimum": 18.0, "maximum": 90.0},
                "description": "From 18 to 90 in the training rows; others are taken, too. "
                "May be missing: null, or absent.",
            },
            "job": {
                "type": ["string", "null"],
                "x-categories": ["clerk", "cook"],
                "description": "The model knows 'clerk', 'cook'. Other texts are taken, too. "
                "May be missing: null, or absent.",
            },
            "plan": {
                "anyOf": [{"type": "string", "enum": ["clerk", "cook", ""]}, {"type": "null"}],
                "x-categories": ["clerk", "cook"],
                "description": "The model knows 'clerk', 'cook'. May be missing: null, or absent.",
            },
            "rooms": {
                "type": "integer",
                "enum": [1, 3],
                "x-range": {"minimum": 1.0, "maximum": 3.0},
                "description": "One of 1, 3.",
            },
            "is open": {"type": "boolean"},
        },
        "required": ["rooms", "is open"],
        "additionalProperties": False,
    }


def test_texts_that_are_alike_have_names_that_are_not() -> None:
    assert enum_of(["yes", "no"]) == {"enum": ["yes", "no"]}
    assert enum_of(["a b", "A_b", "c"]) == {
        "enum": ["a b", "A_b", "c"],
        "x-enum-varnames": ["VALUE_0", "VALUE_1", "VALUE_2"],
    }


def test_numbers_that_are_not_whole_are_no_enum() -> None:
    schema = row_schema(manifest(features=[{"name": "size", "values": [0.5, 1.0], "min": 0.5, "max": 1.0}]))

    assert "enum" not in schema["properties"]["size"]
    assert schema["properties"]["size"]["description"] == "One of 0.5, 1."


def test_numbers_may_be_python_integers_as_models_add_finds_them() -> None:
    rooms = Feature(name="rooms").model_copy(update={"values": (1, 2)})

    assert row_schema(manifest(features=(rooms,)))["properties"]["rooms"]["enum"] == [1, 2]


def test_no_feature_is_required_if_each_may_be_missing() -> None:
    assert "required" not in row_schema(manifest(features=[{"name": "age", "nullable": True}]))
