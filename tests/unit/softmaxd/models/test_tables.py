"""Values of JSON → columns in the types of a table."""

from typing import Any

import numpy as np
import pytest

from softmaxd.errors import InvalidBody
from softmaxd.models.tables import from_columns, to_table
from tests.support.manifests import manifest
from tests.support.tables import FEATURES, NAMES, ROWS, tensors

PEOPLE = manifest(features=[feature.model_dump() for feature in FEATURES])


@pytest.mark.parametrize("is_named", [True, False])
def test_rows_become_a_field_for_each_input(is_named: bool) -> None:
    rows = [row if is_named else [row[name] for name in NAMES] for row in ROWS]

    table = to_table(rows, PEOPLE, ["instances"])

    assert table.shape == (len(ROWS),)
    for name, expected in tensors(ROWS).items():
        assert table[name].dtype == expected.dtype
        np.testing.assert_array_equal(table[name], expected)


def test_columns_become_the_same() -> None:
    columns = [[row[name] for row in ROWS] for name in NAMES]

    table = from_columns(columns, PEOPLE, lambda _index, row: [row])

    for name, expected in tensors(ROWS).items():
        np.testing.assert_array_equal(table[name], expected)


def test_the_named_category_stands_for_a_missing_text() -> None:
    jobs = manifest(features=[{"name": "job", "datatype": "BYTES", "nullable": True, "missing": "unknown"}])

    assert to_table([["a"], [None], [""]], jobs, [])["features"].tolist() == [["a"], ["unknown"], [""]]


@pytest.mark.parametrize("nullable", [False, True])
def test_another_text_than_the_only_categories_is_refused_with_its_place(nullable: bool) -> None:
    job = {"name": "job", "datatype": "BYTES", "categories": ["cook", "nurse"], "only_categories": True}
    jobs = manifest(features=[job | {"nullable": nullable, "missing": "none"}])
    missing: list[dict[str, object]] = [{"job": None}, {}] if nullable else []
    rows = [{"job": "cook"}, {"job": "nurse"}, *missing]

    assert to_table(rows, jobs, [])["features"].ravel().tolist() == ["cook", "nurse", *["none" for _ in missing]]
    with pytest.raises(InvalidBody) as refused:
        to_table([*rows, {"job": "pilot"}], jobs, ["instances"])
    assert refused.value.problems == (
        {
            "type": "category",
            "loc": ["instances", len(rows), "job"],
            "msg": "Input should be one of the categories cook, nurse",
        },
    )


def test_numbers_in_the_usual_input_are_an_array() -> None:
    numbers = manifest(features=[{"name": "a", "nullable": True}, {"name": "b"}], datatype="FP64")

    table = to_table([[None, 1], [0.1, 2]], numbers, [])

    assert table.dtype == np.float64
    assert np.array_equal(table, [[np.nan, 1], [0.1, 2]], equal_nan=True)


def test_columns_in_another_order_than_the_features_are_records() -> None:
    swapped = manifest(
        features=[{"name": "a", "column": 1, "nullable": True}, {"name": "b", "column": 0}],
    )

    assert not swapped.takes_array
    assert to_table([[1, 2]], swapped, [])["features"].tolist() == [[2, 1]]


WRONG: dict[str, tuple[Any, str]] = {
    "a number beyond float64": (10**400, "Input should be a finite number, also as float32"),
    "a text": ("x", "Input should be a valid number or null"),
    "NaN beside null": (float("nan"), "Input should be a finite number, also as float32"),
    "infinite": (float("inf"), "Input should be a finite number, also as float32"),
}


@pytest.mark.parametrize(("value", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_number_is_refused_with_its_row(value: Any, message: str) -> None:
    numbers = manifest(features=[{"name": "a", "nullable": True}])

    with pytest.raises(InvalidBody) as raised:
        to_table([{"a": None}, {"a": value}], numbers, ["instances"])

    assert raised.value.problems[0]["loc"] == ["instances", 1, "a"]
    assert raised.value.problems[0]["msg"] == message


def test_the_first_wrong_value_of_each_feature_is_told() -> None:
    rows = [ROWS[0], {**ROWS[0], "city": 1}, {**ROWS[0], "income": "x", "city": 2}]

    with pytest.raises(InvalidBody) as raised:
        to_table(rows, PEOPLE, ["instances"])

    assert [problem["loc"] for problem in raised.value.problems] == [
        ["instances", 2, "income"],
        ["instances", 1, "city"],
    ]


def test_a_row_that_is_no_list_is_refused() -> None:
    with pytest.raises(InvalidBody, match="Input should be a valid array"):
        to_table([1], PEOPLE, ["instances"])


def test_null_for_a_number_that_may_not_be_missing_is_refused() -> None:
    numbers = manifest(features=[{"name": "a", "nullable": True}, {"name": "b"}])

    with pytest.raises(InvalidBody, match="Input should be a valid number"):
        to_table([[None, 1], [1, None]], numbers, ["instances"])


def test_a_number_beyond_float32_is_refused_without_null() -> None:
    numbers = manifest(features=[{"name": "a", "nullable": True}, {"name": "b"}])

    with pytest.raises(InvalidBody, match="Input should be a finite number, also as float32"):
        to_table([[1, 1e39]], numbers, ["instances"])


def test_of_many_features_a_message_lists_the_first() -> None:
    model = manifest(features=[{"name": f"f{index}", "nullable": True} for index in range(3000)])

    with pytest.raises(
        InvalidBody, match=r"^instances\[0\]: Input should be 3000 values \(f0, f1, .*, f19 and 2980 more\), not 1$"
    ):
        to_table([[1]], model, ["instances"])
