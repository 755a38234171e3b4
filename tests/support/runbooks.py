"""Reads the pages of alerts in docs/runbooks, and the queries of docs/operations.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from tests.support.paths import REPOSITORY

OPERATIONS = REPOSITORY / "docs" / "operations.md"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"


def commands() -> dict[str, str]:
    """Return the commands of each page that has some, as one script."""
    scripts: dict[str, str] = {}
    for page, block in _blocks("sh", *RUNBOOKS.glob("*.md")):
        scripts[page] = scripts.get(page, "") + block
    return scripts


def page_queries() -> Iterator[tuple[str, str]]:
    """Give the page and the text of each query. A line that is indented goes on with the one before."""
    for page, block in _blocks("promql", OPERATIONS, *RUNBOOKS.glob("*.md")):
        for query in re.split(r"\n(?! )", block.strip()):
            yield page, query


def _blocks(language: str, *pages: Path) -> Iterator[tuple[str, str]]:
    for page in sorted(pages):
        for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL):
            yield page.stem, dedent(block)
