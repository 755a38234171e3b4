"""Imports point one way, and each outside library has one home (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SERVICE = REPOSITORY / "service"
LAYERS = [
    {"__init__", "errors", "settings", "model", "softmax", "trust", "tally"},
    {
        *("rows", "compression", "engine", "batching", "logs", "metrics", "operations", "openapi", "lifecycle"),
        *("onnxfile", "access", "publishing", "drift"),
    },
    {"rowwise", "loading", "repository", "asgi", "express", "tensors", "graphs", "inspection", "adding"},
    {"protocols", "protocols.native", "protocols.v1", "protocols.v2"},
    {"app"},
    {"connection"},
    {"server"},
    {"cli"},
]
HOMES = {
    "onnxruntime": {"engine"},
    "onnx": {"graphs"},
    "fastapi": {"protocols.native", "protocols.v1", "protocols.v2", "asgi", "app"},
    "httptools": {"connection"},
    "uvicorn": {"connection", "server"},
    "prometheus_client": {"metrics"},
    "pythonjsonlogger": {"logs"},
}
MODULES = {".".join(path.relative_to(SERVICE).with_suffix("").parts): path for path in SERVICE.rglob("*.py")}


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


def module_of(name: str) -> str:
    """Return the module of service/ that a dotted name is, or is in; empty when it is elsewhere."""
    inside = name.removeprefix("service.")
    if not name.startswith("service"):
        return ""
    while inside and inside not in MODULES:
        inside = inside.rpartition(".")[0]
    return inside or "__init__"


def layer(module: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if module.removesuffix(".__init__") in names)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    used = {module_of(name) for name in imports(MODULES[module])} - {"", "__init__"}

    assert {other for other in used if layer(other) > layer(module)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_protocols_do_not_import_each_other(module: str) -> None:
    used = {module_of(name) for name in imports(MODULES[module])}

    assert not module.startswith("protocols.") or not {name for name in used if name.startswith("protocols.")}


@pytest.mark.parametrize("library", HOMES)
def test_a_library_has_one_home(library: str) -> None:
    users = {
        module for module, path in MODULES.items() if library in {name.partition(".")[0] for name in imports(path)}
    }

    assert users == HOMES[library]


@pytest.mark.parametrize("module", MODULES)
def test_the_service_needs_neither_training_nor_its_libraries(module: str) -> None:
    used = {name.partition(".")[0] for name in imports(MODULES[module])}

    assert not used & {"training", "tests", "tensorflow", "keras", "tf2onnx", "sklearn", "matplotlib"}
