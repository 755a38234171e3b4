"""The cells of a workbook as text, and those that cannot be used found in the XML of their sheet."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import IO, Any

CHUNK = 2**22  # bytes of XML that are looked at together
LONGEST_CELL = 2**16  # bytes of XML

MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]*?ref="([A-Z0-9:]+)"')
UNCOMPUTED = re.compile(
    rb'<(?:\w+:)?c r="([A-Z]+[0-9]+)"(?![^>]* t="str")[^>]*>\s*'  # an empty text is a value
    rb"<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
ERRORS = {"#DIV/0!", "#REF!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!"}

Cell = str | float | bool | datetime | date | time | timedelta | None


def text_of(cell: Cell) -> str:
    """Return a cell as text: numbers with all digits, dates as 2026-11-28, durations as a number of seconds."""
    return TEXTS.get(type(cell), str)(cell)


def _moment(cell: datetime) -> str:
    return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")


TEXTS: Mapping[type, Callable[[Any], str]] = {  # Any: each takes its own type
    type(None): lambda _: "",
    str: str.strip,
    bool: lambda cell: "true" if cell else "false",
    int: repr,
    float: lambda cell: repr(cell).removesuffix(".0"),
    datetime: _moment,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda cell: text_of(cell.total_seconds()),
}


def faults(xml: IO[bytes]) -> Iterator[str]:
    """Yield a line for each range of merged cells, and for each formula that was never computed."""
    seen: set[bytes] = set()
    tail = b""
    while chunk := xml.read(CHUNK):
        part = tail + chunk
        for pattern, words in FAULTS.items():
            for found in pattern.findall(part):
                if found not in seen:
                    seen.add(found)
                    yield words.format(found.decode())
        tail = part[-LONGEST_CELL:]


FAULTS = {
    UNCOMPUTED: "cell {}: its formula has no value yet: open the workbook in a spreadsheet program, and save it",
    MERGED: "cells {} are merged: separate them, and fill each",
}


def letters(column: int) -> str:
    """Return the letters of a column, counted from 0."""
    rest, last = divmod(column, 26)
    return (letters(rest - 1) if rest else "") + chr(ord("A") + last)
