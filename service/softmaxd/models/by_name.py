"""A row by feature name → its values in the model's order, or the problems of its names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.problems import MAX_KEY, MAX_PROBLEMS

MOST_OF_A_KIND = MAX_PROBLEMS // 2  # of missing features, and of unknown names
MOST_COMPARED = 100  # features that a row lacks, with an unknown name
MOST_LISTED = 20  # features, in a message

T = TypeVar("T")


def by_name(
    row: Mapping[str, T], names: Sequence[str], place: Sequence[str | int], absent: Mapping[str, T] | None = None
) -> list[T]:
    """Return the values of a row in the order of `names`; `absent` has the values of those that may be absent.

    Raises `InvalidBody` for missing and for unknown names.
    """
    filled = {**absent, **row} if absent else row
    values = [filled[name] for name in names if name in filled]
    if not len(values) == len(names) == len(filled):
        raise InvalidBody(*_problems(row, names, place, absent or {}))
    return values


def _problems(
    row: Mapping[str, object], names: Sequence[str], place: Sequence[str | int], absent: Mapping[str, object]
) -> list[Problem]:
    known = set(names)
    lacking = [name for name in names if name not in row]
    missing = [name for name in lacking if name not in absent]
    unknown = [key[:MAX_KEY] for key in row if key not in known][:MOST_OF_A_KIND]
    return [
        *(Problem(type="missing", loc=[*place, name], msg="Field required") for name in missing[:MOST_OF_A_KIND]),
        *(
            Problem(
                type="extra_forbidden",
                loc=[*place, key],
                msg=f"Extra inputs are not permitted; {_expected(key, lacking[:MOST_COMPARED], names)}",
            )
            for key in unknown
        ),
    ]


def _expected(key: str, lacking: Sequence[str], names: Sequence[str]) -> str:
    """Return the feature that the row lacks whose name is nearest to a key; or all names without one."""
    if nearest := nearest_name(key, lacking):
        return f"the nearest feature is {nearest}"
    return f"the features are {listed(names)}"


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """Return the first names for a message, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the most similar name in any case of letters, of two alike the first; None if none is similar."""
    folded = {each.casefold(): each for each in reversed(known)}
    nearest = get_close_matches(name.casefold(), folded, n=1)
    return folded[nearest[0]] if nearest else None
