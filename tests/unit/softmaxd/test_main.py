"""`python -m softmaxd` is the command, and importing it runs nothing."""

import importlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

import pytest

from tests.support.command import softmaxd

module = importlib.import_module("softmaxd.__main__")  # which runs nothing


@pytest.fixture(autouse=True)
def same_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_is_the_command() -> None:
    assert softmaxd("--version") == (0, f"softmaxd {metadata.version('softmaxd')}\n", "")


def test_sigterm_ends_it_as_an_exception(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["softmaxd", "models", "list", "--models-dir", "/nowhere"])

    assert module.main() == 1
    assert capsys.readouterr().err.startswith("softmaxd: /nowhere is not a folder")
    with pytest.raises(SystemExit, match="143"):
        signal.raise_signal(signal.SIGTERM)


class Interrupting:
    """An importer that is interrupted at the command."""

    def find_spec(self, name: str, _path: object, _target: ModuleType | None = None) -> None:
        if name == "softmaxd.cli.main":
            raise KeyboardInterrupt


def test_ctrl_c_while_it_is_imported_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "softmaxd.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])

    assert module.main() == 130
    assert capsys.readouterr().err == "softmaxd: interrupted\n"


@pytest.mark.parametrize(("closed", "expected"), [(">&-", ""), ("2>&-", f"softmaxd {metadata.version('softmaxd')}\n")])
def test_a_closed_stream_is_written_nowhere(closed: str, expected: str) -> None:
    command = f'"{sys.executable}" -m softmaxd models list --models-dir /nowhere {closed}; '
    command += f'"{sys.executable}" -m softmaxd --version {closed}'

    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - to close it

    assert (ended.returncode, ended.stdout) == (0, expected)
    assert "Traceback" not in ended.stderr
