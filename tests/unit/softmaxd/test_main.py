"""`python -m softmaxd` is the command, and importing it runs nothing."""

import importlib
from importlib import metadata

from softmaxd.cli.main import main
from tests.support.command import softmaxd


def test_it_is_the_command() -> None:
    assert softmaxd("--version") == (0, f"softmaxd {metadata.version('softmaxd')}\n", "")


def test_importing_it_runs_nothing() -> None:
    assert importlib.import_module("softmaxd.__main__").main is main
