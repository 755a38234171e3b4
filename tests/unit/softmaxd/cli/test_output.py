"""The lines of the command are printable, whatever they name."""

import sys

import pytest

from softmaxd.cli.output import say


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("plain Ω", "a\x1b[2Jb", "c\nd\u202e")

    assert capsys.readouterr() == ("plain Ω\na\\x1b[2Jb\nc\\nd\\u202e\n", "")


def test_errors_go_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    say("softmaxd: \x07", file=sys.stderr)

    assert capsys.readouterr() == ("", "softmaxd: \\x07\n")
