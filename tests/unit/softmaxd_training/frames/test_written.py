"""Values of every type have a text."""

import datetime

import pyarrow as pa
import pytest

from softmaxd_training.frames.written import texts_of


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([3, -1]), ["3", "-1"]),
        (pa.array([3.0, 0.1, -0.0, 1e20, None]), ["3", "0.1", "-0.0", "1e+20", None]),
        (pa.array([0.1], pa.float32()), ["0.10000000149011612"]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array([datetime.date(2024, 1, 31)]), ["2024-01-31"]),
        (pa.array([0], pa.timestamp("s", "Europe/Berlin")), ["1970-01-01 00:00:00"]),
    ],
)
def test_values_of_every_type_have_a_text(column: pa.Array, texts: list[str | None]) -> None:
    assert texts_of(pa.chunked_array([column])).to_pylist() == texts
