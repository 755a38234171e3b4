"""The texts of the cards are all used, and their tables are complete."""

import inspect

import pytest

from softmaxd_training import calibrated_card, card, coverage, demonstrations, shares, strange, templates

TEXTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": text
    for module in (templates, demonstrations)
    for name, text in vars(module).items()
    if name.isupper()
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_is_filled_in_by_the_cards(name: str) -> None:
    sources = [inspect.getsource(module) for module in (card, calibrated_card, coverage, shares, strange)]

    assert any(name in source for source in sources)


@pytest.mark.parametrize("name", TEXTS)
def test_a_table_has_as_many_cells_in_each_line(name: str) -> None:
    tables = [block for block in TEXTS[name].split("\n\n") if block.startswith("|")]

    for table in tables:
        counts = {line.count("|") for line in table.splitlines() if line.startswith("|") and "{columns}" not in line}
        assert len(counts) == 1, table
