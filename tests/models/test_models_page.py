"""The walks through docs/models.md work when pasted, and print the answers of the page."""

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.documents import EXAMPLE, NUMBER, PRINTED_URL, words
from tests.support.paths import MODELS, REPOSITORY
from tests.support.server import Server
from tests.support.skipping import skip_outside_ci
from tests.support.waiting import until

PAGE = (REPOSITORY / "docs" / "models.md").read_text()
WALK = EXAMPLE.findall(PAGE.partition("\n## From PyTorch")[0])
TABLE = EXAMPLE.findall(PAGE.partition("\n## Tables\n")[2].partition("\n## ")[0])
EXPORTER = re.compile(r"by skl2onnx \S+, SHA-256 [0-9a-f]{64}")  # as it happens to be installed
FITTED = 1e-3  # of a probability: where a fit ends depends on the processor


def run(language: str, code: str, folder: Path, url: str) -> str:
    """Run an example in a folder, as in a shell with softmaxd installed, and return its output."""
    softmaxd = f'"{sys.executable}" -m softmaxd '
    shell = code.replace(PRINTED_URL, url).replace("softmaxd ", softmaxd)
    command = [sys.executable, "-c", code] if language == "python" else ["sh", "-c", shell]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return EXPORTER.sub("", result.stdout)


def is_near(found: str, printed: str) -> bool:
    if "." not in printed and "e" not in printed:
        return found == printed
    return math.isclose(float(found), float(printed), rel_tol=FITTED, abs_tol=FITTED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the models of a fresh checkout."""
    shutil.copytree(MODELS, tmp_path / "models")
    return tmp_path


@pytest.mark.parametrize(("walk", "name"), [(WALK, "flowers"), (TABLE, "plans")], ids=["flowers", "plans"])
def test_the_walk_prints_the_answers_of_the_page(walk: list[tuple[str, str, str]], name: str, folder: Path) -> None:
    if shutil.which("curl") is None:
        skip_outside_ci("curl is not installed")
    server = Server("--models-dir", str(folder / "models"), "--reload-interval", "0.05", environment={})
    try:
        for language, code, answer in walk:
            if "curl" in code:
                until(lambda: httpx.get(f"{server.url}/models/{name}").is_success)

            output = run(language, code, folder, server.url)

            printed = EXPORTER.sub("", answer)
            assert words(output) == words(printed)
            for found, number in zip(NUMBER.findall(output), NUMBER.findall(printed), strict=True):
                assert is_near(found, number), output
    finally:
        server.stop()


def test_the_walk_has_every_command() -> None:
    shown = "".join(code for _, code, _ in WALK)

    assert all(f"softmaxd models {action}" in shown for action in ("add", "list", "check"))
    assert PRINTED_URL in shown
