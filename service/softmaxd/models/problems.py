"""Errors of pydantic → problems of a body, in the words of the wire."""

from collections.abc import Sequence

from pydantic import ValidationError

from softmaxd.errors import Problem

MAX_PROBLEMS = 10  # in one answer
MAX_ERRORS = 100  # of pydantic; more are only counted, as a body can hold a million
MAX_KEY = 64  # characters of a client's own key that an answer repeats

TAGS = {"vector", "matrix", "rows", "records", "index", "indices"}  # of the branches of unions


def problems_of(error: ValidationError) -> list[Problem]:
    """Return the problems of a body. Of the branches of a union, the one that came furthest is reported."""
    if error.error_count() > MAX_ERRORS:
        message = f"Input has {error.error_count()} errors, most of them unknown fields"
        return [Problem(type="too_many_errors", loc=[], msg=message)]
    fields: dict[str | int, dict[str | int, list[Problem]]] = {}  # by field, then by branch
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        loc = [part if isinstance(part, int) else part[:MAX_KEY] for part in item["loc"]]
        # tags follow the name of a field; of the client's own keys, those of a row follow its index, or come later
        place = next((at for at in range(1, len(loc)) if loc[at] in TAGS and isinstance(loc[at - 1], str)), None)
        branch = "" if place is None else loc.pop(place)
        problem = Problem(type=item["type"], loc=loc, msg=item["msg"])
        fields.setdefault(loc[0] if loc else "", {}).setdefault(branch, []).append(problem)
    furthest = [max(branches.values(), key=lambda found: _depth(found[0]["loc"])) for branches in fields.values()]
    return [problem for found in furthest for problem in found][:MAX_PROBLEMS]


def _depth(loc: Sequence[str | int]) -> tuple[list[int], int]:
    return [part for part in loc if isinstance(part, int)], len(loc)
