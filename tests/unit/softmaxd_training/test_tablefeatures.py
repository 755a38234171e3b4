"""The features of a table's model, and its rows as the service has them."""

from dataclasses import replace

import numpy as np
import pytest

from softmaxd.models.features import Feature, tensors_of
from softmaxd_training.frames.frame import Frame
from softmaxd_training.tablefeatures import Part, cells_of, features_of, rows_of
from tests.support.loans import JOBS, PURPOSES, loans

FIRST = np.arange(40)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    return loans(tmp_path_factory.mktemp("loans"), 100, seed=0)


def test_features_of_a_table_have_an_input_and_a_column(frame: Frame) -> None:
    features = features_of(frame, (JOBS, PURPOSES), FIRST)

    low, high = np.nanmin(frame.numbers[FIRST], axis=0).tolist(), np.nanmax(frame.numbers[FIRST], axis=0).tolist()
    numeric, text = {"input": "numeric", "datatype": "FP32"}, {"input": "text", "datatype": "BYTES"}
    assert [feature.model_dump(exclude_defaults=True) for feature in features] == [
        {"name": "income", "min": low[0], "max": high[0], "column": 0, "nullable": True, **numeric},
        {"name": "age", "min": low[1], "max": high[1], "column": 1, **numeric},
        {"name": "job", "column": 0, "nullable": True, "categories": JOBS, **text},
        {"name": "purpose", "column": 1, "categories": PURPOSES, **text},
    ]
    assert [tensor.columns for tensor in tensors_of(features, "FP32")] == [(0, 1), (2, 3)]


def test_numbers_alone_are_features_of_the_usual_input(frame: Frame) -> None:
    numbers = replace(frame, texts=frame.texts[:, :0], text_names=(), columns=frame.columns[:2])

    assert [(feature.input, feature.nullable) for feature in features_of(numbers, (), FIRST)] == [
        ("features", True),
        ("features", False),
    ]


def test_a_number_that_no_training_row_has_has_no_range(frame: Frame) -> None:
    rows = np.flatnonzero(np.isnan(frame.numbers[:, 0]))

    first, _, *_ = features_of(frame, (JOBS, PURPOSES), rows)

    assert first == Feature(name="income", input="numeric", column=0, datatype="FP32", nullable=True)


@pytest.mark.parametrize("without", ["nothing", "texts", "numbers"])
def test_rows_are_those_of_the_service(frame: Frame, without: str) -> None:
    part = Part.of(frame, FIRST)
    part = replace(part, texts=part.texts[:, :0]) if without == "texts" else part
    part = replace(part, numbers=part.numbers[:, :0]) if without == "numbers" else part

    rows = rows_of(part)

    numbers, texts = cells_of(rows)
    names = {"nothing": ("numeric", "text"), "texts": None, "numbers": ("text",)}
    assert rows.dtype.names == names[without]
    assert np.array_equal(numbers, part.numbers, equal_nan=True)
    assert np.array_equal(texts, part.texts)


def test_a_part_of_neighbours_takes_no_memory_of_its_own(frame: Frame) -> None:
    neighbours, others = (Part.of(frame, np.array(places)) for places in ([20, 21, 22, 23], [20, 22, 21, 23]))

    for name in ("numbers", "texts", "classes"):
        rows = getattr(frame, name)
        assert np.shares_memory(getattr(neighbours, name), rows)
        assert not np.shares_memory(getattr(others, name), rows)
        assert getattr(neighbours, name)[[0, 2, 1, 3]].tolist() == getattr(others, name).tolist()


def test_a_part_may_have_no_rows(frame: Frame) -> None:
    assert len(Part.of(frame, FIRST[:0])) == 0
