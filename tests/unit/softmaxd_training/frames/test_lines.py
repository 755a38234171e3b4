import numpy as np
import pyarrow as pa

from softmaxd_training.frames.lines import Lines, line_ends


def test_rows_are_found_by_line_behind_every_kind_of_row() -> None:
    lines = Lines()
    lines.add_ragged(4, '3,"4\n5",6')
    lines.add([pa.array(["x", "", "1\n2"]), pa.array(["y", "", "a"])], np.array([1]))  # lines 1, 2 and 3 to 4
    lines.add([pa.array(["2", "3\r\n", "4"]), pa.array(["b\r", "c", "d"])], np.array([], np.int64))

    places = lines.places(1)

    assert [places.of(row) for row in range(4)] == ["line 3", "line 7", "line 9", "line 11"]
    assert lines.line_of_ragged(0) == 5
    assert (lines.last_line(), lines.end_line()) == (11, 12)


def test_a_ragged_row_may_be_the_last() -> None:
    lines = Lines()
    lines.add([pa.array(["x", "1"])], np.array([], np.int64))
    lines.add_ragged(3, "2,3")

    assert lines.ends_ragged
    assert (lines.last_line(), lines.end_line()) == (3, 4)


def test_without_rows_there_are_no_places() -> None:
    assert len(Lines().places(1).rows) == 0


def test_line_ends_are_of_three_kinds() -> None:
    assert line_ends("a\nb\r\nc\rd\n\r") == 5
