"""Imports point one way, and each outside library has one home (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SERVICE = REPOSITORY / "service" / "softmaxd"
LAYERS = [
    {"errors", "settings", "models.model", "numerics.softmax", "numerics.trust", "metrics.tally"},
    {
        *(
            "models.inputs",
            "http.compression",
            "models.engine",
            "models.batching",
            "logs",
            "metrics.metrics",
            "http.operation",
            "http.openapi",
            "http.lifecycle",
        ),
        *("models.onnxfile", "access", "models.publishing", "metrics.drift"),
    },
    {
        "models.rowwise",
        "models.loading",
        "models.repository",
        "http.asgi",
        "http.express",
        "protocols.tensors",
        "adding.graphs",
        "adding.inspection",
        "adding.add",
    },
    {"protocols.native", "protocols.v1", "protocols.v2"},
    {"app"},
    {"http.connection"},
    {"server"},
    {"cli.main", "__main__"},
]
HOMES = {
    "onnxruntime": {"models.engine"},
    "onnx": {"adding.graphs"},
    "fastapi": {"protocols.native", "protocols.v1", "protocols.v2", "http.asgi", "app"},
    "httptools": {"http.connection"},
    "uvicorn": {"http.connection", "server"},
    "prometheus_client": {"metrics.metrics"},
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


def module_of(name: str) -> str:
    """Return the module of service/ that a dotted name is, or is in; empty when it is elsewhere."""
    inside = name.removeprefix("softmaxd.")
    if not name.startswith("softmaxd"):
        return ""
    while inside and inside not in MODULES:
        inside = inside.rpartition(".")[0]
    return inside or "__init__"


def layer(module: str) -> int:
    return next(index for index, names in enumerate(LAYERS) if module in names)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    used = {module_of(name) for name in imports(MODULES[module])} - {"", "__init__"}

    assert {other for other in used if layer(other) > layer(module)} == set()


@pytest.mark.parametrize("module", MODULES)
def test_protocols_do_not_import_each_other(module: str) -> None:
    used = {module_of(name) for name in imports(MODULES[module])} - {"protocols.tensors"}

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

    assert not used & {"softmaxd_training", "tests", "tensorflow", "keras", "tf2onnx", "sklearn", "matplotlib"}
