"""The tables of docs/scaling.md are those of the committed results, and each figure of the page has its mark."""

import re

import pytest
from benchmarks.scaling import COMMANDS, PRICES, blocks, fill, read

from tests.support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "scaling.md").read_text()
MARKS = {"computed", *(f"measured, {scenario}" for scenario in COMMANDS)}
MARKED = re.compile(r"measured|computed|chosen|specified|\b[PS]\d")


def rows(table: str) -> list[list[str]]:
    """Return the cells of a table, without its head."""
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def paragraphs() -> list[str]:
    """Return the paragraphs and the points of the page, without tables, code, headings, and the targets of links."""
    text = re.sub(r"^```.*?^```$|^\|.*?$|^#.*?$|^<!--.*?$", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"`[^`]+`|\]\([^)]+\)|^\d+\. ", "", text, flags=re.MULTILINE)
    return [each for each in re.split(r"\n\n|\n(?=- )|\n(?=\*\*)", text) if each.strip()]


def test_the_tables_are_those_of_the_committed_results() -> None:
    assert fill(PAGE, blocks(read())) == PAGE, "run `python -m benchmarks.scaling --write`"


def test_each_table_has_its_place() -> None:
    assert re.findall(r"<!-- begin (\w+) -->", PAGE) == list(blocks(read()))


@pytest.mark.parametrize("name", [name for name in blocks(read()) if name != "sources"])
def test_each_row_ends_with_the_mark_of_its_figures(name: str) -> None:
    marks = {row[-1] for row in rows(blocks(read())[name])}

    assert marks
    assert marks <= MARKS


def test_each_mark_has_a_source_with_the_command_that_measures_it() -> None:
    sources = {row[0]: row[1] for row in rows(blocks(read())["sources"])}

    assert sources == {scenario: f"`{command}`" for scenario, command in COMMANDS.items()}


def test_each_figure_in_the_text_is_marked() -> None:
    figures = [text for text in paragraphs() if re.search(r"\b\d", re.sub(r"M/[MD]/\d|\b[PS]\d+", "", text))]

    assert figures
    assert [text for text in figures if not MARKED.search(text)] == []


def test_a_place_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError, match=r"unknown"):
        fill("<!-- begin unknown -->\n<!-- end -->\n", blocks(read()))


def test_a_cost_grows_with_the_price() -> None:
    (once, *_), (twice, *_) = (rows(blocks(read(), [price])["costs"]) for price in (1, 2))

    assert float(twice[-2]) == pytest.approx(2 * float(once[-2]), rel=0.01)
    assert len(rows(blocks(read())["costs"])[0]) == 4 + len(PRICES)


def test_measured_rows_and_computed_ones_follow_the_results() -> None:
    results = read()
    for measurement in results["S1"]["measurements"]:
        measurement["median"] *= 2

    before, after = blocks(read()), blocks(results)

    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"core", "workers", "machine", "fleet", "waits", "costs", "hops"}
