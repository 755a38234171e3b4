"""The line on which each row of a CSV begins: quoted texts have several lines, and not every line is a row."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd_training.frames.rawtable import Integers, Places


class Lines:
    """Counts the lines of a CSV. A parsed row has as many cells as the first one; a ragged row has not."""

    def __init__(self) -> None:
        self.parsed = 0  # rows up to here
        self._ragged: list[tuple[int, int]] = []  # the parsed rows before it, and its lines
        self._long: list[Integers] = [np.empty((0, 2), np.int64)]  # parsed rows of several lines: number, further lines
        self._empty: list[Integers] = [np.empty(0, np.int64)]  # parsed rows without any value

    def add_ragged(self, number: int, text: str) -> None:
        """Count a ragged row, the `number`th of all rows. Ragged rows come in order, but earlier than others."""
        self._ragged.append((number - 1 - len(self._ragged), 1 + line_ends(text)))

    def add(self, columns: Sequence[pa.Array], empty: Integers) -> None:
        """Count further parsed rows, as they are written; `empty` has the places of those without any value."""
        ends = np.zeros(len(columns[0]), np.int64)
        for column in columns:
            if _may_have_lines(column):
                ends += sum(sign * pc.count_substring(column, mark).to_numpy() for mark, sign in MARKS)
        rows = np.flatnonzero(ends)
        self._long.append(np.stack([rows + self.parsed, ends[rows]], axis=1))
        self._empty.append(empty + self.parsed)
        self.parsed += len(columns[0])

    def line(self, parsed: int, ragged: int) -> int:
        """Return the line behind so many parsed and ragged rows."""
        long = np.concatenate(self._long)
        further = int(long[long[:, 0] < parsed, 1].sum())
        return 1 + parsed + further + sum(lines for _, lines in self._ragged[:ragged])

    def line_of_ragged(self, index: int) -> int:
        """Return the line on which a ragged row begins."""
        return self.line(self._ragged[index][0], index)

    @property
    def ends_ragged(self) -> bool:
        """True if the last row of the file is ragged."""
        return bool(self._ragged) and self._ragged[-1][0] == self.parsed

    def last_line(self) -> int:
        """Return the line on which the last row begins."""
        if self.ends_ragged:
            return self.line_of_ragged(len(self._ragged) - 1)
        return self.line(self.parsed - 1, len(self._ragged))

    def end_line(self) -> int:
        """Return the line behind all rows."""
        return self.line(self.parsed, len(self._ragged))

    def places(self, header: int) -> Places:
        """Return the places of the rows that are neither ragged nor empty, without the first `header` of them."""
        long, empty = np.concatenate(self._long), np.concatenate(self._empty)
        ragged = np.array(self._ragged, np.int64).reshape(-1, 2)
        at = np.concatenate([long[:, 0] + 1, ragged[:, 0], empty])
        by = np.concatenate([long[:, 1], ragged[:, 1], np.ones_like(empty)])
        rows = at - np.searchsorted(empty, at) - header  # of those that stay
        order = np.argsort(rows, kind="stable")
        return Places("line", 1 + header, rows[order], np.cumsum(by[order]))


MARKS = (("\n", 1), ("\r", 1), ("\r\n", -1))


def line_ends(text: str) -> int:
    """Return the number of line ends in a text."""
    return sum(sign * text.count(mark) for mark, sign in MARKS)


def _may_have_lines(column: pa.Array) -> bool:
    buffer = column.buffers()[2]
    text = buffer.to_pybytes() if buffer else b""
    return b"\n" in text or b"\r" in text
