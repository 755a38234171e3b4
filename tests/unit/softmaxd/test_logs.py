"""The form of log lines, by setting and by where they go."""

import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from softmaxd.logs import LINES_A_SECOND, SECONDS_BETWEEN_LINES, Limit, RareLines, of_request, printable, set_up_logs


@pytest.fixture(autouse=True)
def _logs_of_pytest() -> Iterator[None]:
    """Put back the handlers that pytest has."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, threading.excepthook
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    threading.excepthook = hook


def set_terminal(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)


@pytest.mark.parametrize(("log_format", "is_terminal"), [("json", True), ("json", False), ("auto", False)])
def test_lines_for_machines_are_json_with_every_extra_field(
    log_format: str, is_terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_terminal(monkeypatch, is_terminal)
    set_up_logs(log_format, "info")  # type: ignore[arg-type] # parametrize gives plain strings

    logging.getLogger("softmaxd.any").info("serving %s", "blobs", extra={"threads": 1, "color_message": "\x1b[1m"})

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

    line = capsys.readouterr().err
    time = line.split()[0]
    assert line == f"{time} WARNING slow\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", time)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(time)) < timedelta(minutes=1)


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


def test_warnings_and_failures_of_threads_are_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", "info")

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    thread = threading.Thread(target=dict[str, int]().__getitem__, args=("missing",), name="scan")
    thread.start()
    thread.join()

    warning, failure = map(json.loads, capsys.readouterr().err.splitlines())
    assert (warning["level"], warning["logger"]) == ("WARNING", "py.warnings")
    assert "DeprecationWarning: old" in warning["message"]
    assert (failure["level"], failure["message"]) == ("ERROR", "scan failed")
    assert "KeyError: 'missing'" in failure["exc_info"]


def test_lines_of_a_request_have_its_ids_on_a_terminal_as_quoted_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("console", "info")
    token = of_request.set({"request_id": "7"})

    logging.getLogger("softmaxd").info("slow", extra={"path": '/a "b" status=200\n', "rows": 3, "key": "x=y"})
    of_request.reset(token)
    logging.getLogger("softmaxd").info("other", extra={"threads": 1})

    about, other = capsys.readouterr().err.splitlines()
    assert about.endswith(r'INFO    slow path="/a \"b\" status=200\n" rows=3 key="x=y" request_id=7')
    assert other.endswith("INFO    other")


def test_warnings_about_requests_are_limited_by_place(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("json", "info")
    token = of_request.set({"request_id": "7"})

    for number in range(3 * LINES_A_SECOND):
        logging.getLogger("softmaxd.any").error("failed %d", number)
        logging.getLogger("softmaxd.any").info("asked %d", number)
    of_request.reset(token)
    logging.getLogger("softmaxd.any").error("not about a request")

    lines = list(map(json.loads, capsys.readouterr().err.splitlines()))
    failed = [line for line in lines if line["level"] == "ERROR"][:-1]
    assert LINES_A_SECOND <= len(failed) <= 2 * LINES_A_SECOND  # the second may turn meanwhile
    assert len(lines) - len(failed) == 3 * LINES_A_SECOND + 1
    assert {line.get("request_id") for line in lines[:-1]} == {"7"}
    assert "request_id" not in lines[-1]


def test_a_line_after_those_left_out_tells_their_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    set_up_logs("json", "info")

    for now in [100.0] * (LINES_A_SECOND + 2) + [101.0] * 2:
        logging.getLogger("softmaxd.any").warning("at %d", now, extra={"request_id": "7"})

    lines = list(map(json.loads, capsys.readouterr().err.splitlines()))
    assert [line.get("left_out") for line in lines] == [None] * LINES_A_SECOND + [2, None]


def test_a_limit_lets_a_few_through_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.5] * (LINES_A_SECOND + 2) + [101.0, 101.9, 107.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    limit = Limit()

    taken = [limit.take() for _ in range(LINES_A_SECOND + 5)]

    assert taken == [0] * LINES_A_SECOND + [None, None, 2, 0, 0]
