"""The documents name every setting, route, field, status, file and target, and their links lead somewhere."""

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softmaxd.app import create_app
from softmaxd.errors import ServiceError
from softmaxd.protocols.v2 import routes as v2
from softmaxd.settings import ENV_PREFIX, Settings, option_name
from tests.support.paths import MODELS, REPOSITORY
from tests.support.structure import WAY_OF_A_REQUEST

DOCS = REPOSITORY / "docs"
API, PROTOCOLS, SETTINGS = ((DOCS / f"{name}.md").read_text() for name in ("api", "protocols", "settings"))
MAKEFILE, CONTRIBUTING = ((REPOSITORY / name).read_text() for name in ("Makefile", "CONTRIBUTING.md"))
BENCHMARKS = (REPOSITORY / "benchmarks" / "README.md").read_text()
FOLDERS = (REPOSITORY, DOCS, DOCS / "runbooks", REPOSITORY / "benchmarks")
PAGES = sorted({*(page for folder in FOLDERS for page in folder.glob("*.md")), *MODELS.rglob("*.md")})


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app(Settings(models_dir=MODELS)).openapi()


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give each operation by its name: `POST /softmax`."""
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def page_of(operation: str) -> str:
    """Return the page that describes an operation: what other servers speak as well has one of its own."""
    return PROTOCOLS if re.match(r"[A-Z]+ /v[12]\b", operation) else API


def names(node: object, schemas: dict[str, Any]) -> Iterator[str]:
    """Give the fields, and the words that one may choose among, of all schemas below a node."""
    if isinstance(node, list):
        for item in node:
            yield from names(item, schemas)
    elif isinstance(node, dict):
        yield from node.get("properties", {})
        yield from node.get("enum", [])
        if "$ref" in node:
            yield from names(schemas.get(node["$ref"].rpartition("/")[2]), schemas)
        for item in node.values():
            yield from names(item, schemas)


def statuses(error: type[ServiceError]) -> set[int]:
    """Return the statuses of an error class and of all below it."""
    own = {error.status} if hasattr(error, "status") else set()
    return own.union(*(statuses(each) for each in error.__subclasses__()))


def documented_statuses(page: str) -> set[int]:
    """Return the statuses in the table of errors of a page."""
    rows = re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", page, re.MULTILINE)
    return {int(status) for row in rows for status in row.split(", ")}


def prose(page: Path) -> str:
    """Return the text of a page without its examples."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def codes(page: Path) -> list[str]:
    """Return the code of a page: fenced, indented, and in its sentences."""
    return re.findall(r"^```.*?^```$|^ {4}.+?$|`[^`\n]+`", page.read_text(), re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return what a link to a heading of the page may end in."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert f"| `{ENV_PREFIX}{name.upper()}` | `{option_name(name)}` |" in SETTINGS


@pytest.mark.parametrize(("name", "function"), [("settings.md", "settings_page"), ("openapi.json", "openapi_document")])
def test_a_generated_document_is_up_to_date(name: str, function: str) -> None:
    written = runpy.run_path(str(DOCS / "generate.py"))[function]()

    assert (DOCS / name).read_text() == written, f"docs/{name} is old; run `make docs`"


def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    assert {name for name, _ in operations(openapi) if f"`{name}`" not in page_of(name)} == set()


def test_every_field_of_a_request_and_of_its_answer_is_described(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]

    for name, operation in operations(openapi):
        bodies = [operation.get("requestBody"), operation["responses"].get("200")]
        assert {field for field in names(bodies, schemas) if f"`{field}`" not in page_of(name)} == set(), name


def test_every_status_is_in_the_table_of_errors(openapi: dict[str, Any]) -> None:
    for name, operation in operations(openapi):
        documented = documented_statuses(page_of(name))
        assert {int(status) for status in operation["responses"]} - {200} - documented == set(), name

    assert statuses(ServiceError) - documented_statuses(API) == set()


def test_every_decision_has_the_same_five_points() -> None:
    entries = re.split(r"^### ", (DOCS / "decisions.md").read_text(), flags=re.MULTILINE)[1:]

    assert entries
    for entry in entries:
        points = re.findall(r"^- \*\*(.+?)\*\*: (\S+)", entry, re.MULTILINE)
        assert [name for name, _ in points] == ["Date", "Question", "Choice", "Reason", "Reversed by"], entry
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", points[0][1]), entry


def test_the_table_of_extensions_begins_with_what_the_server_names() -> None:
    for extension in v2.EXTENSIONS:
        assert f"\n| `{extension}` |" in PROTOCOLS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/performance.md"])
def test_every_file_that_is_named_exists(name: str) -> None:
    named = re.findall(r"`((?:\w+/)+[\w.]+\.[a-z]+)`", (REPOSITORY / name).read_text())

    roots = (REPOSITORY, REPOSITORY / "service" / "softmaxd")
    assert named
    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def test_contributors_are_shown_the_way_of_a_request() -> None:
    shown = set(re.findall(r"^\| `([\w/]+)\.py` \|", CONTRIBUTING, re.MULTILINE))

    assert shown == set(WAY_OF_A_REQUEST)


def test_the_commit_hooks_run_the_commands_of_make_check() -> None:
    recipe = re.findall(r"^check:.*\n((?:\t.+\n)+)", MAKEFILE, re.MULTILINE)[0]
    hooks = re.findall(r"^ +entry: (.+)$", (REPOSITORY / ".pre-commit-config.yaml").read_text(), re.MULTILINE)

    assert hooks == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe.splitlines()]


def test_every_target_is_described_and_every_described_one_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
    described = set(re.findall(r"^\| `make ([a-z-]+)` \|", CONTRIBUTING, re.MULTILINE))
    mentioned = {name for page in PAGES for code in codes(page) for name in re.findall(r"\bmake ([a-z-]+)", code)}

    assert described == targets
    assert mentioned <= targets


@pytest.mark.parametrize(
    ("row", "work", "figure"),
    [
        ("requests a second of one worker", "P1", "softmaxd"),
        ("100,000 rows in one JSON body", "P5", "softmaxd"),
        ("one connection, one row", "P4", "softmaxd"),
        ("a start, until `/readyz` is 200", "P9", "softmaxd"),
        ("memory of a worker after 100,000 requests", "P10", "resident"),
        ("a slow model under three times the load that it bears", "O1", "p99"),
    ],
)
def test_sizes_are_planned_by_the_measured_figures(row: str, work: str, figure: str) -> None:
    [cell] = re.findall(rf"^\| {row} \| (.+?) \|", (DOCS / "operations.md").read_text(), re.MULTILINE)
    [section] = re.findall(rf"^### {work}: (.+?)^###? ", BENCHMARKS, re.MULTILINE | re.DOTALL)
    [(median, unit)] = re.findall(rf"^\| {figure} \| (\S+) \| .+ \| (\S+) \|$", section, re.MULTILINE)
    quoted = float(re.findall(r"[\d.]+", cell.replace(",", ""))[-1])

    assert quoted == pytest.approx(float(median.replace(",", "")), rel=0.02)
    assert unit in {"requests/s", *cell.split()}
