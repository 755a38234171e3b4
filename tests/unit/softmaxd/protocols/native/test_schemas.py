import pytest
from pydantic import TypeAdapter, ValidationError

from softmaxd.protocols.native.schemas import PREDICT_REQUEST, SOFTMAX_REQUEST


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (SOFTMAX_REQUEST, {"logits": [1.0, 2.0], "extra": 1}),
        (SOFTMAX_REQUEST, {"logits": ["1", 2.0]}),
        (SOFTMAX_REQUEST, {"logits": [1.0], "temperature": 0.0}),
        (SOFTMAX_REQUEST, {"logits": [1.0], "targets": -1}),
        (SOFTMAX_REQUEST, {"logits": [1.0], "include": ["probabilities"]}),
        (PREDICT_REQUEST, {"instances": [[1.0]], "extra": 1}),
        (PREDICT_REQUEST, {"instances": [[1.0], {"x1": 1.0}]}),
        (PREDICT_REQUEST, {"instances": [[1.0]], "coverage": 1.0}),
        (PREDICT_REQUEST, {"instances": [[1.0]], "top_k": 0}),
        (PREDICT_REQUEST, {"instances": [[1.0]], "top_k": True}),
    ],
)
def test_a_body_outside_the_schema_is_refused(schema: TypeAdapter[object], body: object) -> None:
    with pytest.raises(ValidationError):
        schema.validate_python(body)


def test_the_document_states_the_bounds_that_are_checked_after_the_schema() -> None:
    logits = SOFTMAX_REQUEST.json_schema()["properties"]["logits"]["anyOf"]
    rows, records, tensors, tables = PREDICT_REQUEST.json_schema()["properties"]["instances"]["anyOf"]

    assert [form["minItems"] for form in logits] == [1, 1]
    assert (rows["minItems"], rows["items"]["minItems"]) == (1, 1)
    assert (records["minItems"], records["items"]["minProperties"]) == (1, 1)
    assert tensors["items"] == {"type": "array", "items": {}}
    assert tables["items"] == {"type": "object", "minProperties": 1}
