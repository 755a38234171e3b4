"""The types of rows in the schemas of all protocols."""

import pytest
from pydantic import TypeAdapter, ValidationError

from softmaxd.models.schemas import TableRows, nested, rows_or_records

STRICT = TypeAdapter(TableRows)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_nested_list_has_its_depth(depth: int) -> None:
    tensor: object = 1.5
    for _ in range(depth):
        tensor = [tensor]

    assert TypeAdapter(nested(depth)).validate_python(tensor) == tensor
    with pytest.raises(ValidationError):
        TypeAdapter(nested(depth)).validate_python([tensor])


def test_rows_are_tensors_or_objects_that_name_them() -> None:
    adapter: TypeAdapter[object] = TypeAdapter(rows_or_records(1))

    assert adapter.validate_python([[1.0, 2.0]]) == [[1.0, 2.0]]
    assert adapter.validate_python([{"x": [1.0, 2.0]}]) == [{"x": [1.0, 2.0]}]
    with pytest.raises(ValidationError):
        adapter.validate_python([{"x": [1.0]}, [1.0]])


def test_a_table_has_any_values_in_one_form() -> None:
    assert STRICT.validate_json(b'[[1,"a",null,true]]') == [[1, "a", None, True]]
    assert STRICT.validate_json(b'[{"x":1},{"x":"a"}]') == [{"x": 1}, {"x": "a"}]
    with pytest.raises(ValidationError):
        STRICT.validate_json(b'[[1],{"x":1}]')
