"""Measures the size of files and functions: `python -m tests.support.structure` prints the figures."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import REPOSITORY

PACKAGES = (REPOSITORY / "service" / "softmaxd", REPOSITORY / "training" / "softmaxd_training")

# A newcomer reads these files to follow a request from its first byte to its last.
WAY_OF_A_REQUEST = (
    "http/operation",
    "http/connection",
    "http/express",
    "protocols/native/codec",
    "models/inputs",
    "models/batching",
    "models/outputs",
    "models/engine",
    "errors",
)


def files() -> list[Path]:
    """Return every Python file of both packages."""
    return sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def lines_of(path: Path) -> int:
    """Return the number of lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def functions() -> dict[str, int]:
    """Return the lines of each function and method, without decorators and docstring, by where it is."""
    return {
        f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}": _lines(node)
        for path in files()
        for node in _definitions(path)
    }


def _definitions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    has_docstring = ast.get_docstring(node, clean=False) is not None and first.end_lineno is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring and first.end_lineno is not None else 0
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1 - docstring


def way_of_a_request() -> dict[str, int]:
    """Return the lines of each file on the way of a request."""
    package = PACKAGES[0]
    return {name: lines_of(package / f"{name}.py") for name in WAY_OF_A_REQUEST if (package / f"{name}.py").exists()}


def report() -> str:
    """Return the figures as text."""
    sizes = {path: lines_of(path) for path in files()}
    lengths = functions()
    ordered = sorted(lengths.values())
    longest = sorted(lengths.items(), key=lambda item: -item[1])[:10]
    way = way_of_a_request()
    lines = [
        f"{len(sizes)} files, {sum(sizes.values())} lines; the longest:",
        *(
            f"  {size:4} {path.relative_to(REPOSITORY)}"
            for path, size in sorted(sizes.items(), key=lambda i: -i[1])[:10]
        ),
        f"{len(ordered)} functions: median {statistics.median(ordered):g}, "
        f"nine in ten up to {ordered[int(0.9 * len(ordered))]} lines; the longest:",
        *(f"  {length:4} {place}" for place, length in longest),
        f"the way of a request: {len(way)} files, {sum(way.values())} lines",
        *(f"  {size:4} {name}" for name, size in way.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report())
