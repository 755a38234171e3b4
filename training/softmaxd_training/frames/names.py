"""The names of the columns, and whether the first row has any."""

import math
from collections.abc import Sequence

from softmaxd.errors import Refused
from softmaxd_training.frames.problems import Problems
from softmaxd_training.frames.wording import quoted

LONGEST = 200  # characters, in the manifest
MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}  # that tell nothing about a column
MOSTLY = 0.9  # of the values are numbers in a column of numbers
LEAST_COUNTED = 3  # columns that are called 0, 1, 2, as pandas calls them
SHOWN = 3  # values in a message

Row = Sequence[str]


def numbered(width: int) -> tuple[str, ...]:
    """Return the names of columns that have none."""
    return tuple(f"column{number}" for number in range(1, width + 1))


def check_header(first: Row, rows: Sequence[Row], place: str) -> None:
    """Raise `Refused` if the first row looks like the values below it, and not like names."""
    if looks_like_values(first, rows):
        values = ", ".join(map(quoted, first[:SHOWN])) + (", …" if len(first) > SHOWN else "")
        raise Refused(
            f"{place} looks like values, not like names ({values}): add --no-header if the file has no names,"
            " or --header if these are the names"
        )


def looks_like_values(first: Row, rows: Sequence[Row]) -> bool:
    """Return whether no cell of the first row differs in kind from those below, and one is a number or occurs again."""
    like, counted = 0, []
    for name, *cells in zip(first, *rows, strict=True):
        known = [cell for cell in cells if cell.lower() not in MISSING]
        if not known or name.lower() in MISSING:
            continue
        if sum(map(_is_number, known)) >= MOSTLY * len(known):
            if not _is_number(name):
                return False
            counted.append(name)
            like += 1
        else:
            like += name in known
    return like > 0 and not (
        len(counted) >= LEAST_COUNTED and counted == [str(number) for number in range(len(counted))]
    )


def _is_number(cell: str) -> bool:
    try:
        return not math.isnan(float(cell.replace(",", ".")))
    except ValueError:
        return False


def check_names(names: Sequence[str], problems: Problems) -> None:
    """Add a problem for each column without a name, or with one that cannot be used."""
    seen: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            index = ": it looks like the index that pandas writes; leave it out" if number == 1 else ""
            problems.add(f"column {number} has no name{index or ': write one into the first row'}")
        elif len(name) > LONGEST:
            problems.add(f"the name of column {number} has {len(name)} characters: {LONGEST} are allowed")
        elif not name.isprintable():
            problems.add(
                f"the name of column {number}, {quoted(name)}, has characters that cannot be printed: leave them out"
            )
        elif name in seen:
            problems.add(f"columns {seen[name]} and {number} are both called {quoted(name)}: rename one")
        seen.setdefault(name, number)
