"""The parts of a request add up to its processor time."""

import re
from decimal import Decimal

import pytest
from benchmarks.breakdown import LOOP, NAMES, PAGE, REST, SUM, TURN, Profile, table
from benchmarks.watch import BODY, HEAD, PARTS, RUN


def readings(scale: int) -> tuple[list[int], list[int]]:
    """Return the numbers of a watch after this many turns of 50 requests, in which part n takes n µs of a request."""
    calls = [0] * len(PARTS)
    calls[HEAD], calls[BODY] = 51 * scale, scale  # of 50 requests in each pass
    return [1_000 * part * 50 * scale for part in PARTS], calls


@pytest.fixture
def profile() -> Profile:
    profile = Profile()
    profile.add(LOOP, 7.456)
    profile.add(SUM, 41.239)
    profile.add_parts(readings(2), readings(12))
    return profile


def columns(text: str) -> dict[str, dict[str, Decimal]]:
    """Return the columns of a table by their heads, each by the names of its rows."""
    head, _, *lines = ([cell.strip(" *") for cell in line.strip("|").split("|")] for line in text.splitlines())
    return {name: {line[0]: Decimal(line[place]) for line in lines} for place, name in enumerate(head) if place}


def test_a_part_is_the_time_of_one_request(profile: Profile) -> None:
    values = profile.values

    assert {name: values[name] for name in NAMES.values()} == {name: float(part) for part, name in NAMES.items()}
    assert values[TURN] == 50


def test_the_rest_is_that_of_the_sum(profile: Profile) -> None:
    values = profile.values

    assert (values[SUM], values[LOOP]) == (41.24, 7.46)
    assert values[REST] == pytest.approx(41.24 - 7.46 - sum(NAMES))


def test_the_least_of_all_rounds_counts(profile: Profile) -> None:
    slower, faster = readings(10), readings(10)
    slower[0][RUN] *= 2
    faster[0][RUN] //= 2

    profile.add(SUM, 43.0)
    for after in (slower, faster):
        profile.add_parts(readings(0), after)

    assert profile.values[NAMES[RUN]] == RUN / 2
    assert profile.values[SUM] == 41.24


def test_the_rows_of_a_table_add_up(profile: Profile) -> None:
    other = Profile()
    other.add(LOOP, 1 / 3)
    other.add(SUM, 200 / 3)
    other.add_parts(readings(0), readings(3))

    found = columns(table({"a": profile.values, "b": other.values}))

    assert list(found) == ["a", "b"]
    for column in found.values():
        assert sum(column[name] for name in (LOOP, *NAMES.values(), REST)) == column[SUM]


def test_the_table_of_the_page_has_all_parts_which_add_up() -> None:
    (text,) = re.findall(r"<!-- begin parts -->\n(\|.*?)\n\n.*<!-- end -->", PAGE.read_text(), re.DOTALL)

    for column in columns(text).values():
        assert list(column) == [LOOP, *NAMES.values(), REST, SUM, TURN]
        assert sum(column[name] for name in (LOOP, *NAMES.values(), REST)) == column[SUM]
