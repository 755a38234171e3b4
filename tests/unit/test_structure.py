"""Files and functions stay small enough to be read (docs/architecture.md)."""

import re
import statistics
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.structure import PACKAGES, WAY_OF_A_REQUEST, files, functions, lines_of, report, way_of_a_request

MOST_FILE_LINES = 300
MEDIAN_FUNCTION_LINES = 8
NINE_IN_TEN_FUNCTION_LINES = 25
MOST_FUNCTION_LINES = 40
MOST_WAY_LINES = 1_500
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]


def test_no_file_is_too_long() -> None:
    print(report())  # noqa: T201 - pytest -s shows the figures

    scripts = (REPOSITORY / "service" / "softmaxd" / "playground").rglob("*.js")
    assert {str(path): lines_of(path) for path in [*files(), *scripts] if lines_of(path) > MOST_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = functions()
    ordered = sorted(lengths.values())

    assert {place: lines for place, lines in lengths.items() if lines > MOST_FUNCTION_LINES} == {}
    assert statistics.median(ordered) <= MEDIAN_FUNCTION_LINES
    assert ordered[int(0.9 * len(ordered))] <= NINE_IN_TEN_FUNCTION_LINES


def test_the_way_of_a_request_can_be_read_at_a_sitting() -> None:
    way = way_of_a_request()

    assert set(way) == set(WAY_OF_A_REQUEST), "a file of it has another name"
    assert len(way) <= 9
    assert sum(way.values()) <= MOST_WAY_LINES


@pytest.mark.parametrize(
    ("name", "texts", "most"),
    [
        ("source", [path for package in PACKAGES for path in package.rglob("*.py")], 9),
        ("documents", DOCUMENTS, 14),
    ],
)
def test_sentences_name_their_nouns(name: str, texts: list[Path], most: int) -> None:
    """The word "what" mostly stands where a noun was avoided."""
    count = sum(len(re.findall(r"\bwhat\b", path.read_text(), re.IGNORECASE)) for path in texts)

    assert count <= most, f"{name} says it {count} times"
