"""The labels of a table, and the class of each row."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from softmaxd.errors import Refused
from softmaxd.models.manifest import Label
from softmaxd_training.frames.decisions import FEWEST_ROWS, ColumnOptions
from softmaxd_training.frames.frame import Classes, FrameColumn
from softmaxd_training.frames.judged import Coded
from softmaxd_training.frames.missing import Cells
from softmaxd_training.frames.texts import coded
from softmaxd_training.frames.wording import many, option, quoted
from softmaxd_training.frames.written import texts_of

MOST_LABELS = 1_000
SHOWN = 10  # labels in a message

LABEL = TypeAdapter[str](Label)


class Target(NamedTuple):
    """The labels in order, the class of each row [n], and the line about the column."""

    labels: tuple[str, ...]
    classes: Classes
    column: FrameColumn


def labels_of(cells: Cells, options: ColumnOptions) -> Target:
    """Return the labels of a column, ordered by value if all are numbers, else as texts.

    Raises `Refused` with a line for each problem: a label that is missing, not allowed or rare, only one of them, or
    more than 1,000.
    """
    if cells.missing:
        raise Refused(_missing(cells))
    found, merged = _merged(coded(texts_of(cells.values)), options)
    counts = np.bincount(found.codes, minlength=len(found.different)).tolist()
    if problems := list(_problems(cells, found, counts, options)):
        raise Refused("\n".join(problems))
    order = _ordered(found.different)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    told = _told([found.different[place] for place in order], [counts[place] for place in order])
    line = f"{many(len(order), 'label')}: {told}{merged}{_alike(found.different)}"
    labels = tuple(found.different[place] for place in order)
    return Target(labels, ranks[found.codes], FrameColumn(cells.name, "target", line, cells.name))


def _missing(cells: Cells) -> str:
    place = cells.place(int(np.argmax(np.asarray(pc.is_null(cells.values)))))
    return (
        f"column {quoted(cells.name)}, {place}: the label is missing, as in {many(sum(cells.missing.values()), 'row')}"
        f" ({', '.join(quoted(word) if word else 'empty' for word in cells.missing)}): remove these rows, or write"
        " another word if it is a label"
    )


def _merged(found: Coded, options: ColumnOptions) -> tuple[Coded, str]:
    """Return the labels after the rare ones are merged, if the user wants it, and the end of the line about it."""
    rare = np.bincount(found.codes, minlength=len(found.different))[: len(found.different)] < options.min_rows
    if options.merge_rare is None or not rare.any():
        return found, ""
    names = [options.merge_rare if is_rare else label for label, is_rare in zip(found.different, rare, strict=True)]
    different = tuple(sorted(set(names)))
    index = {label: place for place, label in enumerate(different)}
    places = np.array([index[name] for name in names])
    count = many(int(rare.sum()), "rare label")
    return Coded(places[found.codes], different), f"; {count} became {quoted(options.merge_rare)}"


def _problems(cells: Cells, found: Coded, counts: Sequence[int], options: ColumnOptions) -> Iterator[str]:
    column, labels = f"column {quoted(cells.name)}", found.different
    if len(labels) > MOST_LABELS:
        yield (
            f"{column} has {many(len(labels), 'label')}; {MOST_LABELS:,} are allowed: make classes of it if it is a"
            f" quantity, or {option('merge-rare', 'OTHER')} makes one label of the rare ones"
        )
        return
    if len(labels) == 1:
        yield f"{column} has only the label {quoted(labels[0])}: two or more are needed"
    for code, label in enumerate(labels):
        if not _is_allowed(label):
            place = cells.place(int(np.argmax(found.codes == code)))
            yield (
                f"{column}, {place}: {quoted(label)} cannot be a label: a label has 1 to 200 characters, without colons"
                " and control characters"
            )
    yield from _rare(column, labels, counts, options)
    yield from _same(column, labels)


def _is_allowed(label: str) -> bool:
    try:
        LABEL.validate_python(label)
    except ValidationError:
        return False
    return True


def _rare(column: str, labels: Sequence[str], counts: Sequence[int], options: ColumnOptions) -> Iterator[str]:
    rare = [place for place, count in enumerate(counts) if count < options.min_rows]
    if len(labels) > 1 and rare:
        least = min(counts)
        fewer = f", or {option('min-rows', str(least))} accepts so few" if least >= FEWEST_ROWS else ""
        merge = f", {option('merge-rare', 'OTHER')} makes one label of them" if options.merge_rare is None else ""
        told = _told([labels[place] for place in rare], [counts[place] for place in rare])
        yield f"{column} has labels with fewer than {options.min_rows} rows, {told}: add rows{merge}{fewer}"


def _told(labels: Sequence[str], counts: Sequence[int]) -> str:
    """Return the first labels, each with the number of its rows."""
    shown = [f"{quoted(label)} ({count:,})" for label, count in zip(labels, counts, strict=True)]
    more = f" and {len(shown) - SHOWN:,} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def _number(label: str) -> float | None:
    try:
        number = None if "_" in label else float(label)  # Python would read 1_000 as 1000
    except ValueError:
        return None
    return number if number is not None and math.isfinite(number) else None


def _ordered(labels: Sequence[str]) -> list[int]:
    """Return the places of the labels in order; the labels themselves are in that of texts."""
    numbers = [_number(label) for label in labels]
    if None in numbers:
        return list(range(len(labels)))
    return sorted(range(len(labels)), key=lambda place: (numbers[place], labels[place]))


def _alike(labels: Sequence[str]) -> str:
    """Return the end of the line if two labels differ only in capitals, which may be one label written in two ways."""
    first: dict[str, str] = {}
    for label in labels:
        other = first.setdefault(label.casefold(), label)
        if other != label:
            return f"; {quoted(other)} and {quoted(label)} differ only in capitals"
    return ""


def _same(column: str, labels: Sequence[str]) -> Iterator[str]:
    """Yield the labels that are the same number, if all are numbers."""
    order = _ordered(labels)
    for one, other in pairwise(labels[place] for place in order):
        if _number(one) == _number(other) is not None:
            yield f"{column} has the labels {quoted(one)} and {quoted(other)}, which are the same number"
