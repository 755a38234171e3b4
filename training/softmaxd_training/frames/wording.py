"""Values, names and counts as the messages about a table show them."""

import shlex
from collections.abc import Iterable, Sequence

SHOWN = 40  # characters of a value
LISTED = 5  # values


def quoted(value: str) -> str:
    """Return a value in quotes, cut if it is long."""
    return repr(value if len(value) <= SHOWN else value[: SHOWN - 1] + "…")


def many(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(values: Sequence[str]) -> str:
    """Return the first values, and the number of the others."""
    more = f" and {len(values) - LISTED:,} more" if len(values) > LISTED else ""
    return ", ".join(map(quoted, values[:LISTED])) + more


def option(name: str, value: str) -> str:
    """Return an option of the command as a shell takes it: `--date 'first seen'`."""
    return f"`--{name} {shlex.quote(value)}`"


def sentence(parts: Iterable[str]) -> str:
    """Return the parts that are not empty, one after the other."""
    return "; ".join(part for part in parts if part)


def shown(number: float) -> str:
    """Return a number with at most six digits, and a whole one with all of them."""
    return f"{number:.0f}" if number == round(number) and abs(number) < 1e16 else f"{number:.6g}"  # noqa: PLR2004
