"""Log lines on standard error: readable on a terminal, JSON for machines."""

import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

SECONDS_BETWEEN_LINES = 60.0  # about the same thing
JSON_NAMES = {"asctime": "time", "levelname": "level", "name": "logger"}


def printable(text: str, *, kept: str = "") -> str:
    """Return a text without characters that could steer a terminal, forge a line or hide: they are escaped.

    Names of folders and requests of clients may hold such characters. Those in `kept` stay as they are.
    """
    return "".join(char if char.isprintable() or char in kept else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


class ConsoleFormatter(logging.Formatter):
    """Lines for people. Only a traceback has line ends of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without the traceback."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole text of a record."""
        return printable(super().format(record), kept="\n\t")


class MachineFormatter(JsonFormatter):
    """One JSON object per line, with the time in UTC as RFC 3339 has it."""

    def __init__(self) -> None:
        super().__init__("{asctime}{levelname}{name}{message}", style="{", rename_fields=JSON_NAMES)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def set_up_logs(log_format: Literal["auto", "console", "json"], level: str) -> None:
    """Send the lines of every logger, uvicorn's included, to standard error in one format."""
    handler = logging.StreamHandler(sys.stderr)
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler.setFormatter(MachineFormatter() if is_json else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())


class RareLines:
    """Lines that clients can cause at any rate: at most one a minute, with the number of those left out."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._quiet_until = float("-inf")
        self._left_out = 0

    def warning(self, message: str, *args: object) -> None:
        """Write the line, or count it if there was one a short while ago."""
        self._log(logging.WARNING, message, args)

    def error(self, message: str, *args: object) -> None:
        """Do the same with an error."""
        self._log(logging.ERROR, message, args)

    def _log(self, level: int, message: str, args: tuple[object, ...]) -> None:
        now = self._clock()
        if now < self._quiet_until:
            self._left_out += 1
            return
        more = f" ({self._left_out} lines like this were left out)" if self._left_out else ""
        self._logger.log(level, message + more, *args)
        self._quiet_until = now + SECONDS_BETWEEN_LINES
        self._left_out = 0
