"""The features of a model, and the tensors in which its graph takes them."""

from typing import Any

import pytest
from pydantic import ValidationError

from softmaxd.models.features import Feature, tensors_of
from softmaxd.models.manifest import Manifest


def manifest(*features: dict[str, Any]) -> Manifest:
    fields = {"name": "m", "version": 1, "sha256": "0" * 64, "labels": ["a", "b"], "features": features}
    return Manifest.model_validate(fields)


def test_features_of_one_tensor_are_no_table() -> None:
    plain = manifest({"name": "x1"}, {"name": "x2", "min": 0, "max": 1})
    assert plain.tensors == ()
    assert plain.layout.width == 2


def test_a_table_has_a_tensor_for_each_input_with_the_columns_in_its_order() -> None:
    table = manifest(
        {"name": "age", "input": "numbers", "column": 1, "nullable": True},
        {"name": "job", "input": "texts", "datatype": "BYTES", "nullable": True},
        {"name": "income", "input": "numbers", "column": 0},
        {"name": "member", "input": "member", "datatype": "BOOL"},
    )
    found = [(each.name, each.datatype, each.kind, each.columns) for each in table.tensors]
    assert found == [
        ("numbers", "FP32", "float", (2, 0)),
        ("texts", "BYTES", "string", (1,)),
        ("member", "BOOL", "bool", (3,)),
    ]
    assert str(table.dtype["numbers"]) == "('<f4', (2,))"
    assert str(table.dtype["texts"]) == "('O', (1,))"


def test_numbers_in_another_order_than_their_input_are_a_table() -> None:
    assert manifest({"name": "a", "column": 0}, {"name": "b", "column": 1}).tensors == ()

    swapped = manifest({"name": "a", "column": 1}, {"name": "b", "column": 0})

    assert [each.columns for each in swapped.tensors] == [(1, 0)]
    assert not swapped.takes_array


def test_columns_without_a_number_stand_in_the_order_of_the_features() -> None:
    features = [Feature(name=name, input="x", nullable=True) for name in "abc"]
    assert tensors_of(features, "FP64")[0].columns == (0, 1, 2)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        pytest.param(
            [{"name": "a", "input": "x"}, {"name": "b", "input": "x", "datatype": "INT64"}],
            "should have one datatype in x, not FP32 and INT64",
            id="types",
        ),
        pytest.param(
            [{"name": "a", "input": "x", "column": 0}, {"name": "b", "input": "x", "column": 0}],
            "should have the columns 0 to 1 of x, each once",
            id="column-twice",
        ),
        pytest.param(
            [{"name": "a", "column": 0}, {"name": "b", "column": 2}],
            "should have the columns 0 to 1 of features, each once",
            id="gap-in-the-only-input",
        ),
        pytest.param(
            [{"name": "a", "input": "x", "column": 1}], "should have the columns 0 to 0 of x, each once", id="gap"
        ),
        pytest.param(
            [{"name": "a", "datatype": "INT64", "nullable": True}],
            "should not have a missing a, as INT64 has no value for that",
            id="nullable-integer",
        ),
        pytest.param(
            [{"name": "a", "datatype": "BOOL", "nullable": True}],
            "should not have a missing a, as BOOL has no value for that",
            id="nullable-boolean",
        ),
        pytest.param(
            [{"name": "a", "input": "logits"}],
            "should not have an input with the name of an output, logits",
            id="output",
        ),
        pytest.param(
            [{"name": "a", "shape": [2, 2], "nullable": True}],
            "should be one tensor of numbers, or only single values",
            id="nullable-tensor",
        ),
    ],
)
def test_a_table_that_cannot_be_is_refused(features: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        manifest(*features)
