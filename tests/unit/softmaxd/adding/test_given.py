"""A graph is tried with rows like those of a table."""

from typing import Any

import numpy as np
import pytest

from softmaxd.adding.given import own_rows, rows_like, with_all_digits
from softmaxd.adding.graphs import Input
from softmaxd.adding.tables import Table
from softmaxd.models.features import KINDS, Datatype, Feature
from softmaxd.models.manifest import Manifest

FLOATS = np.array([[1e6, -3.5], [2e6, -3.25], [1.5e6, -3.0]])


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_rows_are_drawn_from_the_range_of_each_feature_and_followed_by_rows_of_the_table(datatype: Datatype) -> None:
    table = FLOATS.astype(np.float32 if datatype == "FP32" else np.float64)

    rows = rows_like(table, Input("x", KINDS[datatype], (2,), None))

    assert (rows.dtype, rows.shape) == (table.dtype, (67, 2))
    assert np.array_equal(rows[64:], table)
    assert (rows.min(axis=0) >= table.min(axis=0)).all()
    assert (rows.max(axis=0) <= table.max(axis=0)).all()
    assert (np.ptp(rows[:64], axis=0) > 0.9 * np.ptp(table, axis=0)).all()
    assert len(np.unique(rows[:64, 0])) == 64


def test_of_a_long_table_there_are_64_rows_of_its_own_each_once() -> None:
    table = np.arange(1000, dtype=np.float64)[:, None]

    own = rows_like(table, Input("x", "double", (1,), None))[64:, 0].tolist()

    assert len(set(own)) == 64
    assert own == sorted(own)
    assert set(own) <= set(table[:, 0].tolist())
    assert max(own) > 900


def test_the_same_table_gives_the_same_rows() -> None:
    source = Input("x", "double", (2,), None)

    assert np.array_equal(rows_like(FLOATS, source), rows_like(FLOATS, source))


@pytest.mark.parametrize("dtype", [np.int8, np.uint64, np.int64])
def test_whole_numbers_stay_whole_and_keep_all_their_digits(
    dtype: type[np.signedinteger[Any] | np.unsignedinteger[Any]],
) -> None:
    least, most = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    table = np.array([[least, most - 2], [most, most]], dtype)
    source = Input("x", np.dtype(dtype).name, (2,), None)

    rows = rows_like(table, source)

    assert rows.dtype == dtype
    assert set(rows[:, 1].tolist()) == {most - 2, most - 1, most}


def test_the_largest_numbers_do_not_overflow() -> None:
    most = np.finfo(np.float64).max

    assert np.isfinite(rows_like(np.array([[-most], [most]]), Input("x", "double", (1,), None))).all()


def test_booleans_are_0_and_1_and_halves_are_rounded_as_the_graph_rounds_them() -> None:
    table = np.array([[0, 1], [1, 1]], np.float32)

    booleans = rows_like(table, Input("x", "bool", (2,), None))
    halves = rows_like(table, Input("x", "float16", (2,), None))

    assert booleans.dtype == halves.dtype == np.float32
    assert set(booleans[:64, 0].tolist()) == {0, 1}
    assert set(booleans[:64, 1].tolist()) == {1}
    assert np.array_equal(halves, halves.astype(np.float16))


def test_missing_numbers_have_no_part_in_the_range() -> None:
    table = np.array([[1.0, np.nan], [3.0, 5.0], [2.0, 7.0]])

    rows = rows_like(table, Input("x", "double", (2,), None))

    assert np.isfinite(rows[:64]).all()
    assert (rows[:64, 1].min(), rows[:64, 1].max()) == (pytest.approx(5, abs=0.2), pytest.approx(7, abs=0.2))
    assert np.array_equal(rows[64:], table, equal_nan=True)


def test_rows_of_a_table_have_the_inputs_of_the_graph() -> None:
    source = Table((Input("logits", "float", (2,), None), Input("job", "string", (1,), None)))
    served = np.empty(3, [("logits_", np.float32, (2,)), ("job", object, (1,))])
    served["logits_"], served["job"] = [[1, 2], [3, 4], [5, 6]], [["a"], [""], ["c"]]

    rows = own_rows(served, source)

    assert rows.dtype == source.dtype
    assert rows["logits"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert rows["job"].ravel().tolist() == ["a", "", "c"]


def test_rows_of_the_table_keep_its_digits() -> None:
    table = np.array([[0.1], [0.2], [0.3]])
    records = table.view([("x", np.float64, (1,))]).ravel()

    assert own_rows(table, Input("x", "float", (1,), None), 2).dtype == np.float64
    assert len(own_rows(table, Input("x", "float", (1,), None), 2)) == 2
    assert own_rows(records, Table((Input("x", "float", (1,), None),) * 2))["x"].tolist() == table.tolist()


@pytest.mark.parametrize(("datatype", "exact"), [("FP32", np.float64), ("INT32", np.int32)])
def test_a_table_is_read_with_all_digits(datatype: Datatype, exact: type[np.generic]) -> None:
    array = Manifest(name="m", version=1, sha256="0" * 64, labels=("a", "b"), features=(Feature(name="x"),))
    array = array.model_copy(update={"datatype": datatype})
    features = (Feature(name="x", datatype=datatype, input="x"), Feature(name="t", datatype="BYTES", input="t"))
    table = array.model_copy(update={"features": features})

    assert with_all_digits(array).dtype == exact
    assert with_all_digits(table).dtype["x"].base == exact
    assert with_all_digits(table).features[1] == features[1]
