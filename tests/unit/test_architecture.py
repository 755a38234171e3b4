"""Imports point one way, and each outside library has one home (docs/architecture.md)."""

import ast
import os
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.processes import run

SERVICE = REPOSITORY / "service" / "softmaxd"
HOMES = {
    "onnxruntime": {"models.session"},
    "onnx": {
        "adding.calibrated",
        "adding.columns",
        "adding.graphs",
        "adding.inner",
        "adding.operators",
        "adding.packing",
        "adding.rewiring",
        "converting.boosters",
        "converting.networks",
        "converting.scikit_learn",
    },
    "fastapi": {
        "http.guard",
        "protocols.native.routes",
        "protocols.v1.routes",
        "protocols.v2.changes",
        "protocols.v2.routes",
        "http.asgi",
        "app",
    },
    "httptools": {"http.reading"},
    "httpx": {"client.clients"},
    "uvicorn": {"http.connection", "http.flow", "http.reading", "http.replies", "process", "server"},
    "pythonjsonlogger": {"logs"},
    "pydantic_core": {"models.hopeless", "models.large_records"},
    "simdjson": {"models.large_json"},
    "fsspec": {"delivery.objects"},
    "google": {"adding.graphs"},
    "opentelemetry": {"http.tracing"},
    "joblib": {"converting.scikit_learn"},
    "keras": {"converting.networks"},
    "lightgbm": {"converting.boosters"},
    "onnxmltools": {"converting.boosters"},
    "pandas": {"converting.scikit_learn"},
    "skl2onnx": {"converting.adapting", "converting.columns", "converting.scikit_learn"},
    "skops": {"converting.scikit_learn"},
    "tensorflow": {"converting.networks"},
    "tf2onnx": {"converting.networks"},
    "xgboost": {"converting.boosters"},
    "pyarrow": {"tables.parquet"},
}
EVERYWHERE = {"numpy", "orjson", "pydantic", "starlette", "typing_extensions"}
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


def test_every_other_library_that_is_imported_is_a_dependency_of_serving() -> None:
    used = {name.partition(".")[0] for path in MODULES.values() for name in imports(path)}

    assert used - set(sys.stdlib_module_names) - {"softmaxd", "softmaxd_training"} == EVERYWHERE | set(HOMES)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's Python files, in which imports can be added."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("service", "training", "tests"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)
    return folder


def broken_contracts(folder: Path) -> list[str]:
    """Return the names of the import contracts in pyproject.toml that do not hold."""
    paths = os.pathsep.join(str(folder / name) for name in ("service", "training", "."))
    command: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--cache-dir", folder / "cache"]
    done = run(command, cwd=folder, env={**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1"})
    assert re.search(r"^Contracts: \d+ kept, \d+ broken\.$", done.stdout, re.MULTILINE), done.stdout + done.stderr
    return re.findall(r"^(.+) BROKEN$", done.stdout, re.MULTILINE)


def test_the_imports_of_the_tree_keep_every_contract(copy: Path) -> None:
    assert broken_contracts(copy) == []


@pytest.mark.parametrize(
    ("file", "imported", "contract"),
    [
        ("service/softmaxd/app.py", "softmaxd.adding.add", "Wings import downwards"),
        ("service/softmaxd/metrics/metrics.py", "softmaxd.http.lifecycle", "Wings import downwards"),
        ("service/softmaxd/numerics/softmax.py", "softmaxd.numerics.trust", "numerics: layers"),
        ("service/softmaxd/models/manifest.py", "softmaxd.models.outputs", "models: layers"),
        ("service/softmaxd/http/turns.py", "softmaxd.http.express", "http: layers"),
        ("service/softmaxd/protocols/v1/codec.py", "softmaxd.protocols.v2.codec", "protocols do not import each other"),
        ("service/softmaxd/protocols/native/codec.py", "softmaxd.protocols.native.routes", "each protocol: layers"),
        ("service/softmaxd/settings.py", "softmaxd.cli.parser", "No packages import each other in a circle"),
        ("service/softmaxd/logs.py", "softmaxd.settings", "Wings import downwards"),
        ("service/softmaxd/models/loading.py", "tests.support.paths", "Nothing that is installed imports a test"),
        (
            "service/softmaxd/adding/add.py",
            "softmaxd.metrics.counts",
            "adding needs models, and knows nothing of serving",
        ),
        (
            "training/softmaxd_training/frames/columns.py",
            "keras",
            "Reading a table needs no TensorFlow, which takes half a gigabyte of memory",
        ),
        ("service/softmaxd/models/loading.py", "onnx", "Serving needs no onnx, no TensorFlow, no training"),
        ("service/softmaxd/client/steps.py", "orjson", "The client knows nothing of the service"),
        ("service/softmaxd/cli/serve.py", "softmaxd_training.rows", "Only the command imports training"),
        (
            "training/softmaxd_training/rows.py",
            "softmaxd.http.operation",
            "Training is for models, and knows nothing of serving",
        ),
        (
            "tests/unit/test_architecture.py",
            "tests.unit.test_documents",
            "Nothing imports a test or a conftest: helpers live in tests.support",
        ),
    ],
)
def test_an_import_that_does_not_point_down_breaks_a_contract(
    copy: Path, file: str, imported: str, contract: str
) -> None:
    path = copy / file
    before = path.read_text()
    path.write_text(f"{before}\nimport {imported}\n")

    broken = broken_contracts(copy)

    path.write_text(before)
    assert contract in broken


def test_the_layers_are_drawn_as_they_are_tested() -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["name"] == "Wings import downwards")
    page = (REPOSITORY / "docs" / "architecture.md").read_text()

    drawn = page.partition("\n## Imports\n")[2].partition("\n## ")[0]

    assert re.findall(r"^ {4}(.+)$", drawn, re.MULTILINE) == layers


def test_a_new_module_needs_a_place(copy: Path) -> None:
    path = copy / "service" / "softmaxd" / "models" / "new.py"
    path.write_text("")

    broken = broken_contracts(copy)

    path.unlink()
    assert broken == ["models: layers"]
