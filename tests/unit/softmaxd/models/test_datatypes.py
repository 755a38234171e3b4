import numpy as np
import pytest

from softmaxd.models.datatypes import MAX_SAFE_INTEGER, invalid, misfit, to_type
from softmaxd.models.features import DTYPES, Datatype


@pytest.mark.parametrize("datatype", DTYPES)
def test_numbers_that_a_type_can_hold_come_in_it(datatype: Datatype) -> None:
    features, fit = to_type([[0, 1], [2, 100]], datatype)

    assert (features.dtype, features.tolist()) == (DTYPES[datatype], [[0, 1], [2, 100]])
    assert fit.all()


@pytest.mark.parametrize(
    ("datatype", "number", "kind", "sentence"),
    [
        ("FP32", 1e39, "finite_number", "Input should be a finite number, also as float32"),
        ("INT8", 1.5, "int_type", "Input should be a whole number from -128 to 127, as the model takes INT8"),
        ("UINT8", 256.0, "int_range", "Input should be a whole number from 0 to 255, as the model takes UINT8"),
        (
            "INT64",
            2.0**53,
            "int_range",
            "Input should be less than 2**53 in size, as JSON rounds from there; /v2 takes all of INT64 as bytes",
        ),
    ],
)
def test_a_number_that_a_type_cannot_hold_is_named_with_the_reason(
    datatype: Datatype, number: float, kind: str, sentence: str
) -> None:
    _, fit = to_type([[0.0, number]], datatype)

    assert fit.tolist() == [[True, False]]
    assert misfit(number, ["instances", 0, 1], datatype).problems == (
        {"type": kind, "loc": ["instances", 0, 1], "msg": sentence},
    )


def test_the_largest_integers_that_json_keeps_fit() -> None:
    limits = [[MAX_SAFE_INTEGER, -MAX_SAFE_INTEGER], [MAX_SAFE_INTEGER + 1, -MAX_SAFE_INTEGER - 1]]

    features, fit = to_type(limits, "INT64")

    assert fit.tolist() == [[True, True], [False, False]]
    assert features.tolist()[0] == limits[0]
    assert features.dtype == np.int64


def test_a_problem_has_its_kind_place_and_sentence() -> None:
    error = invalid("missing", ["targets"], "Field required for loss")

    assert error.detail == "targets: Field required for loss"
