"""Imports point one way, and each outside library has one home (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY

SERVICE = REPOSITORY / "service" / "softmaxd"
HOMES = {
    "onnxruntime": {"models.engine"},
    "onnx": {"adding.graphs", "adding.rewiring"},
    "fastapi": {
        "protocols.native.routes",
        "protocols.v1.routes",
        "protocols.v2.changes",
        "protocols.v2.routes",
        "http.asgi",
        "app",
    },
    "httptools": {"http.connection"},
    "uvicorn": {"http.connection", "http.replies", "process", "server"},
    "prometheus_client": {"metrics.exposition"},
    "pythonjsonlogger": {"logs"},
}
MODULES = {
    ".".join(path.relative_to(SERVICE).with_suffix("").parts): path
    for path in SERVICE.rglob("*.py")
    if path.stem != "__init__"
}


def imports(path: Path) -> set[str]:
    """Return the dotted names that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = {
        module for module, path in MODULES.items() if library in {name.partition(".")[0] for name in imports(path)}
    }

    assert users == HOMES[library]


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"cli.train"}))  # the one command that trains
def test_the_service_needs_neither_training_nor_its_libraries(module: str) -> None:
    used = {name.partition(".")[0] for name in imports(MODULES[module])}

    assert not used & {"softmaxd_training", "tests", "tensorflow", "keras", "tf2onnx", "sklearn", "matplotlib"}
