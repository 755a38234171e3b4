"""Reads the pages of alerts in docs/runbooks."""

import re
from collections.abc import Iterator
from textwrap import dedent

from tests.support.paths import REPOSITORY

RUNBOOKS = REPOSITORY / "docs" / "runbooks"


def commands() -> dict[str, str]:
    """Return the commands of each page that has some, as one script."""
    scripts: dict[str, str] = {}
    for page, block in _blocks("sh"):
        scripts[page] = scripts.get(page, "") + block
    return scripts


def page_queries() -> Iterator[tuple[str, str]]:
    """Give the page and the text of each query."""
    for page, block in _blocks("promql"):
        for query in block.splitlines():
            yield page, query


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in sorted(RUNBOOKS.glob("*.md")):
        for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
            yield page.stem, dedent(block)
