"""A table as its file has it → a frame: the kind of each column is decided, and told in one line."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from softmaxd.errors import Refused
from softmaxd_training.frames.dates import check_no_dates, check_no_days, judge_dates
from softmaxd_training.frames.decisions import ColumnOptions, Decision
from softmaxd_training.frames.frame import Frame
from softmaxd_training.frames.judged import Judged
from softmaxd_training.frames.labels import Target, labels_of
from softmaxd_training.frames.missing import Cells, cells_of, is_string
from softmaxd_training.frames.numbers import Exact, exact_of, judge_numbers
from softmaxd_training.frames.options import ReadOptions
from softmaxd_training.frames.problems import Problems
from softmaxd_training.frames.rawtable import RawTable, release
from softmaxd_training.frames.reading import read
from softmaxd_training.frames.texts import check_no_marked, check_no_numbers, judge_texts
from softmaxd_training.frames.wording import option, quoted
from softmaxd_training.frames.written import texts_of

LONGEST_NAME = 200  # characters of a feature's name, in the manifest
CODES = r"^[+-]?0\d"  # a whole number that begins with a zero


def read_frame(path: Path, reading: ReadOptions, options: ColumnOptions) -> Frame:
    """Return `frame_of` the table in a file, and give the memory of its texts back. Raises `Refused`."""
    frame = _understood(read(path, reading), options)
    release()
    return frame


def frame_of(table: RawTable, options: ColumnOptions) -> Frame:
    """Return all rows of a table with every column understood; `options` decide where the user does.

    Raises one `Refused` with a line for each problem of the table.
    """
    return _understood(replace(table, columns=dict(table.columns)), options)


def _understood(table: RawTable, options: ColumnOptions) -> Frame:
    """Return the frame of a table, whose columns are gone then."""
    problems = Problems()
    for line in options.problems(table.columns):
        problems.add(line)
    if not len(table):
        problems.add("it has no rows")
    problems.refuse()  # as other problems would follow from these
    target, judged = _judged(table, options, problems)
    for line in _left(judged) if not problems else ():
        problems.add(line)
    problems.refuse()
    assert target is not None  # else there is a problem
    return _frame(table, target, judged)


def _judged(table: RawTable, options: ColumnOptions, problems: Problems) -> tuple[Target | None, list[Judged]]:
    """Return the target and all columns; one with a problem is left out, and the problem is added."""
    target: Target | None = None
    judged: list[Judged] = []
    for name, column in table.taken():
        cells = _plain(cells_of(name, column, table.place, options.missing), options.decision(name))
        del column  # `cells` has the values; both would be in memory together
        try:
            _check_known(cells)
            if name == options.target:
                target = labels_of(cells, options)
                judged.append(Judged(target.column))
            else:
                judged += judge(cells, options.decision(name), is_text=table.is_text, decimal=table.decimal)
        except Refused as error:
            for line in str(error).splitlines():
                problems.add(line)
    return target, judged


def judge(cells: Cells, decision: Decision | None, *, is_text: bool, decimal: str) -> Sequence[Judged]:
    """Return a column with its kind, or the parts of a date. Raises `Refused` if its values cannot be used.

    `is_text` if its texts are those of a CSV, which may be numbers; `decimal` is the decimal mark in them.
    """
    kind = cells.values.type
    if cells.are_missing:
        return (Judged.dropped(cells, "has no values"),)
    if decision == "date":
        return judge_dates(cells, decimal)
    if decision == "category":
        return (judge_texts(replace(cells, values=texts_of(cells.values)), is_decided=True),)
    if is_string(kind) and not is_text and decision is None:  # texts, as the file says
        check_no_dates(cells)
        check_no_marked(cells)
        return (judge_texts(cells, is_decided=False),)
    return (_by_values(cells, decision, decimal),)


def _by_values(cells: Cells, decision: Decision | None, decimal: str) -> Judged:
    """Return a column as numbers if all values are, else as texts."""
    exact = None if pa.types.is_temporal(cells.values.type) else exact_of(cells.values, decimal)
    if exact is None:
        check_no_dates(cells)
        check_no_numbers(cells, decimal, is_decided=decision == "number")
        check_no_marked(cells)
        return judge_texts(cells, is_decided=False)
    if decision is None and _are_codes(cells, exact):
        return _codes(cells)
    if decision is None and exact.are_whole:
        check_no_days(cells, exact)
    return judge_numbers(cells, exact, is_decided=decision == "number")


def _plain(cells: Cells, decision: Decision | None) -> Cells:
    """Return booleans as the texts true and false, or as 1 and 0 if the user wants numbers; else the same cells."""
    if not pa.types.is_boolean(cells.values.type):
        return cells
    return replace(cells, values=pc.cast(cells.values, pa.int8() if decision == "number" else pa.string()))


def _check_known(cells: Cells) -> None:
    """Raise `Refused` if values are no texts, numbers or dates, as lists are."""
    kind = cells.values.type
    tests = ("integer", "floating", "decimal", "date", "timestamp")
    if not (cells.are_missing or is_string(kind) or any(getattr(pa.types, f"is_{test}")(kind) for test in tests)):
        raise Refused(f"column {quoted(cells.name)} is {kind}: save it as numbers or as text, or leave it out")


def _are_codes(cells: Cells, exact: Exact) -> bool:
    """Return True if whole numbers are written with leading zeros, which a number would lose."""
    texts = cells.values
    return exact.are_whole and is_string(texts.type) and bool(pc.any(pc.match_substring_regex(texts, CODES)).as_py())


def _codes(cells: Cells) -> Judged:
    found = judge_texts(cells, is_decided=False)
    line = f"{found.column.line}; has leading zeros as codes have: {option('number', cells.name)} makes it a number"
    return replace(found, column=replace(found.column, line=line))


def _left(judged: Sequence[Judged]) -> Iterator[str]:
    """Yield the problems of the columns that are left."""
    names = [each.column.name for each in judged if each.column.kind != "dropped"]
    if len(names) == 1:
        dropped = [each.column for each in judged if each.column.kind == "dropped"]
        reasons = "; ".join(f"{quoted(column.name)} {column.line}" for column in dropped)
        yield f"no column is left to learn from: {reasons or 'the target is the only one'}"
    for name, count in Counter(names).items():
        if count > 1:
            yield f"a part of a date would be called {quoted(name)} as another column is: rename that column"
        if len(name) > LONGEST_NAME:
            yield f"the name {quoted(name)} has {len(name)} characters; {LONGEST_NAME} are allowed"


def _frame(table: RawTable, target: Target, judged: list[Judged]) -> Frame:
    """Return the frame of judged columns, which are used up: their numbers move into one array, column by column."""
    columns = tuple(each.column for each in judged)
    number_names = tuple(each.column.name for each in judged if each.numbers is not None)
    text_names = tuple(each.column.name for each in judged if each.texts is not None)
    numbers = np.empty((len(target.classes), len(number_names)), np.float32, order="F")
    texts = np.empty((len(target.classes), len(text_names)), object, order="F")
    of_numbers, of_texts = iter(numbers.T), iter(texts.T)
    judged.reverse()
    while judged:
        each = judged.pop()
        if each.numbers is not None:
            next(of_numbers)[:] = each.numbers
        if each.texts is not None:
            next(of_texts)[:] = each.texts.texts()
    return Frame(
        numbers=numbers,
        texts=texts,
        classes=target.classes,
        labels=target.labels,
        number_names=number_names,
        text_names=text_names,
        columns=columns,
        notes=table.notes,
        sha256=table.sha256,
    )
