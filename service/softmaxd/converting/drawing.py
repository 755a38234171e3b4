"""Draws rows like those that a model was trained on, of numbers as float64 has them, which JSON can give."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from softmaxd.adding.graphs import Input
from softmaxd.adding.inspection import Findings
from softmaxd.adding.tables import Source
from softmaxd.converting.original import Known, Values

DRAWN = 256  # rows
HALF = DRAWN // 2
LARGEST = 1e300  # whose range is finite
DIGITS = 4  # that a rounded number has at most, beside the first one of its range


def exact(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of rows with float64 in the place of float32."""
    if dtype.names is None:
        return np.dtype(np.float64) if dtype == np.float32 else dtype
    return np.dtype([(name, exact(dtype[name].base), dtype[name].shape) for name in dtype.names])


def drawn_rows(findings: Findings, known: Known) -> Values:
    """Return rows of categories and texts that are known, and of numbers of the range that is; each column has its own.

    Numbers also lie at and between those that the graph was tried with, among them the thresholds of its trees. Of
    texts of which nothing is known, those that it was tried with are taken. Every machine draws the same.
    """
    source, tried = findings.source, findings.rows.astype(exact(findings.rows.dtype))
    rows = tried[np.random.default_rng(0).integers(0, len(tried), DRAWN)]
    columns: dict[int, object] = {}
    for index, (own, (values, numbers)) in enumerate(zip(_columns(source, tried), known, strict=False)):
        generator = np.random.default_rng(index)
        if values:
            columns[index] = [values[place] for place in generator.integers(0, len(values), DRAWN).tolist()]
        elif own.dtype.kind == "f":
            columns[index] = _numbers([np.array(numbers), own], generator)
    return source.with_values(rows, columns)


def _numbers(ranges: Sequence[Values], generator: np.random.Generator) -> Values:
    """Return numbers of the first of these ranges that has some, then as many of all of them, in any order.

    So the first rows have every number in the range that is known: answers are sure far from it, and hide a difference.
    """
    ranges = [finite for each in ranges if len(finite := each[np.abs(each) < LARGEST])]
    first = _drawn(ranges[0], generator)
    mixed = generator.permutation(np.concatenate([_drawn(each, generator) for each in ranges]))
    return np.concatenate([first, mixed])[HALF : HALF + DRAWN]


def _drawn(numbers: Values, generator: np.random.Generator) -> Values:
    """Return numbers at these and between neighbours, half of them rounded to a few digits, as people write them."""
    ends = np.unique(numbers)
    if len(ends) == 1:
        ends = ends[0] + max(1.0, abs(ends[0])) * np.array([-0.5, 0.5])
    place = generator.integers(0, len(ends) - 1, DRAWN)
    share = generator.choice([0.0, 1.0], DRAWN) * generator.random(DRAWN)
    drawn = ends[place] * (1 - share) + ends[place + 1] * share
    first = math.floor(math.log10(ends[-1] - ends[0]))
    for digits in range(1, DIGITS + 1):
        chosen = slice(digits, None, 2 * DIGITS)
        drawn[chosen] = [round(number, digits - first) for number in drawn[chosen].tolist()]
    return drawn


def _columns(source: Source, rows: Values) -> Iterator[Values]:
    if isinstance(source, Input):
        yield from rows.T
        return
    for each, column in source.columns:
        yield rows[each.name][:, column]
