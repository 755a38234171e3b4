import pytest
from pydantic import TypeAdapter, ValidationError

from softmaxd.protocols.v1.schemas import CLASSIFY_REQUEST, PREDICT_REQUEST


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (PREDICT_REQUEST, {"instances": [["1"]]}),
        (PREDICT_REQUEST, {"instances": [[1.0], {"features": [1.0]}]}),
        (PREDICT_REQUEST, {"inputs": [[1.0]], "signature_name": "other"}),
        (CLASSIFY_REQUEST, {}),
        (CLASSIFY_REQUEST, {"examples": [{"x1": "a"}]}),
        (CLASSIFY_REQUEST, {"examples": [{"x1": [1.0, 2.0]}]}),
    ],
)
def test_a_body_outside_the_schema_is_refused(schema: TypeAdapter[object], body: object) -> None:
    with pytest.raises(ValidationError):
        schema.validate_python(body)


def test_unknown_fields_are_ignored() -> None:
    assert PREDICT_REQUEST.validate_python({"instances": [[1.0]], "other": 1}) == {"instances": [[1.0]]}


def test_a_list_of_one_number_is_a_number() -> None:
    assert CLASSIFY_REQUEST.validate_python({"examples": [{"x1": [1.0], "x2": 2.0}]}) == {
        "examples": [{"x1": 1.0, "x2": 2.0}]
    }


def test_the_document_says_that_one_format_is_needed() -> None:
    schema = PREDICT_REQUEST.json_schema()

    assert schema["oneOf"] == [{"required": ["instances"]}, {"required": ["inputs"]}]
    assert schema["properties"]["inputs"]["anyOf"][1]["maxProperties"] == 1
