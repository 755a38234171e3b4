"""The form of log lines, by setting and by where they go."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import datetime

import pytest

from softmaxd.logs import SECONDS_BETWEEN_LINES, RareLines, printable, set_up_logs


@pytest.fixture(autouse=True)
def _logs_of_pytest() -> Iterator[None]:
    """Put back the handlers that pytest has."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


def set_terminal(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)


@pytest.mark.parametrize(("log_format", "is_terminal"), [("json", True), ("json", False), ("auto", False)])
def test_lines_for_machines_are_json_with_every_extra_field(
    log_format: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_terminal(monkeypatch, is_terminal)
    set_up_logs(log_format, "info")  # type: ignore[arg-type] # parametrize gives plain strings

    logging.getLogger("softmaxd.any").info("serving %s", "blobs", extra={"threads": 1})

    line = json.loads(capsys.readouterr().err)
    time = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", time)
    assert datetime.fromisoformat(time).tzinfo is not None
    assert line == {"level": "INFO", "logger": "softmaxd.any", "message": "serving blobs", "threads": 1}


@pytest.mark.parametrize(("log_format", "is_terminal"), [("console", True), ("console", False), ("auto", True)])
def test_lines_for_people_have_time_level_and_message(
    log_format: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_terminal(monkeypatch, is_terminal)
    set_up_logs(log_format, "info")  # type: ignore[arg-type] # parametrize gives plain strings

    logging.getLogger("uvicorn.error").warning("slow")

    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING slow\n", capsys.readouterr().err)


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", "warning")

    logging.getLogger("softmaxd").info("left out")
    logging.getLogger("softmaxd").warning("kept")

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "kept"


HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\r\nforged\u2028\u202etxt.exe\ud800\x7fé"
ESCAPED = r"a\x1b]0;title\x07\x1b[2J\x9b31m\r\nforged\u2028\u202etxt.exe\ud800\x7fé"


def test_characters_that_steer_a_terminal_are_escaped() -> None:
    assert printable(HOSTILE) == ESCAPED
    assert printable("plain: Ω 漢 🙂 – …") == "plain: Ω 漢 🙂 – …"


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_hostile_name_reaches_no_console_raw(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(log_format, "info")  # type: ignore[arg-type] # parametrize gives plain strings

    logging.getLogger("softmaxd").info("rejected %s", HOSTILE)

    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert "rejected a" in line


def test_a_traceback_keeps_its_lines_and_loses_its_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("console", "info")

    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logging.getLogger("softmaxd").exception("%s failed", "it\n")

    first, *lines = capsys.readouterr().err.splitlines()
    assert first.endswith(r"ERROR   it\n failed")
    assert lines[0] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in lines)


def test_lines_that_clients_cause_are_written_rarely_with_the_number_left_out(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    lines = RareLines(logging.getLogger("softmaxd.any"), lambda: now)

    for moment in (0, 1, SECONDS_BETWEEN_LINES - 1, SECONDS_BETWEEN_LINES, 3 * SECONDS_BETWEEN_LINES):
        now = moment
        lines.warning("at %d", moment)

    assert caplog.messages == ["at 0", "at 60 (2 lines like this were left out)", "at 180"]
