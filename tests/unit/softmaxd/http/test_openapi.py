"""The examples of the OpenAPI document are such as the model takes, or there are none."""

import pytest

from softmaxd.errors import InvalidBody, OutputNotFinite
from softmaxd.http.openapi import example_rows, examples_of
from softmaxd.models.loading import load
from softmaxd.models.manifest import Datatype, Feature
from softmaxd.settings import Settings
from tests.support.manifests import manifest
from tests.support.paths import MODELS


def rows(datatype: Datatype, low: float | None, high: float | None) -> list[list[float]]:
    feature = Feature(name="x", min=low, max=high)
    return example_rows(manifest(features=(feature,), datatype=datatype))


def test_rows_are_within_the_ranges_with_few_digits() -> None:
    assert rows("FP32", 0, 1.2345) == [[0.309], [0.926]]
    assert rows("FP64", None, None) == [[0.0], [0.0]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 11, [[3], [8]]), (None, None, [[0], [0]]), (-1.7e308, 1.7e308, [[1 - 2**53], [2**53 - 1]])],
)
def test_rows_of_an_integer_type_are_whole(low: float | None, high: float | None, expected: list[list[int]]) -> None:
    found = rows("INT64", low, high)

    assert found == expected
    assert all(type(number) is int for row in found for number in row)


@pytest.mark.parametrize("error", [InvalidBody(), OutputNotFinite(0)])
def test_there_are_no_examples_of_rows_that_the_model_does_not_take(error: Exception) -> None:
    model = load(MODELS / "blobs" / "1", Settings())

    def fail(_model: object) -> dict[str, tuple[object, object]]:
        raise error

    assert examples_of(model, fail) == {}
    assert examples_of(None, fail) == {}
