import pytest
from pydantic import ValidationError

from softmaxd.models.features import MAX_DIMENSIONS
from softmaxd.protocols.v2.schemas import INFER_REQUEST, LOAD_REQUEST

TENSOR = {"name": "features", "shape": [1, 2], "datatype": "FP32"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": [{**TENSOR, "shape": [-1, 2]}]},
        {"inputs": [{**TENSOR, "data": ["1", "2"]}]},
        {"inputs": [TENSOR], "parameters": {"coverage": 1.0}},
        {"inputs": [TENSOR], "outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
    ],
)
def test_a_body_outside_the_schema_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        INFER_REQUEST.validate_python(body)


def test_unknown_fields_are_ignored_at_every_level() -> None:
    found = INFER_REQUEST.validate_python({"inputs": [{**TENSOR, "other": 1}], "other": 1})

    assert found == {"inputs": [TENSOR]}
    assert LOAD_REQUEST.validate_python({"parameters": None}) == {"parameters": None}


def test_the_document_states_the_rules_that_are_checked_after_the_schema() -> None:
    schema = INFER_REQUEST.json_schema()
    tensor = schema["$defs"]["V2InputTensor"]["properties"]

    assert schema["properties"]["inputs"]["maxItems"] == 1
    assert tensor["name"]["const"] == "features"
    assert (tensor["shape"]["minItems"], tensor["shape"]["maxItems"]) == (2, 1 + MAX_DIMENSIONS)
    assert "FP64" in tensor["datatype"]["enum"]
