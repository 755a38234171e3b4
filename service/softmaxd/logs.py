"""Log lines on standard error: readable on a terminal, JSON for machines."""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

SECONDS_BETWEEN_LINES = 60.0  # about the same thing
LINES_A_SECOND = 10  # from one place in the code, about requests
PLAIN = re.compile(r'[^\s"=]+')  # a value that needs no quotes
JSON_NAMES = {"asctime": "time", "levelname": "level", "name": "logger"}

# The ids of the request that the present task answers: fields of all lines that it writes.
of_request: ContextVar[Mapping[str, str]] = ContextVar("of_request", default=MappingProxyType({}))


def printable(text: str, *, kept: str = "") -> str:
    """Return a text without characters that could steer a terminal, forge a line or hide: they are escaped.

    Names of folders and requests of clients may hold such characters. Those in `kept` stay as they are.
    """
    return "".join(char if char.isprintable() or char in kept else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


class ConsoleFormatter(logging.Formatter):
    """Lines for people, with the fields of lines about a request. Only a traceback has line ends of its own."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the local time of a record, as RFC 3339 has it."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without the traceback."""
        return printable(super().formatMessage(record) + _fields_as_text(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return the whole text of a record."""
        return printable(super().format(record), kept="\n\t")


def _fields_as_text(record: logging.LogRecord) -> str:
    if not hasattr(record, "request_id"):
        return ""
    fields = {name: value for name, value in vars(record).items() if name not in RESERVED_ATTRS}
    texts = {name: str(value) for name, value in fields.items()}
    return "".join(
        f" {name}={text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)}"
        for name, text in texts.items()
    )


class MachineFormatter(JsonFormatter):
    """One JSON object per line, with the time in UTC as RFC 3339 has it."""

    def __init__(self) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields=JSON_NAMES,
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's message again, for a terminal
        )

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def set_up_logs(log_format: Literal["auto", "console", "json"], level: str) -> None:
    """Send the lines of every logger, uvicorn's included, Python's warnings and failures of threads to standard error.

    All of them have one format.
    """
    handler = logging.StreamHandler(sys.stderr)
    is_json = log_format == "json" or (log_format == "auto" and not sys.stderr.isatty())
    handler.setFormatter(MachineFormatter() if is_json else ConsoleFormatter())
    handler.addFilter(AboutRequest())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    threading.excepthook = _log_failed_thread


def _log_failed_thread(failure: threading.ExceptHookArgs) -> None:
    name = getattr(failure.thread, "name", "a thread")  # it may be gone
    logging.getLogger("softmaxd").error("%s failed", name, exc_info=failure.exc_value)


class Limit:
    """At most `LINES_A_SECOND` lines."""

    def __init__(self) -> None:
        self._second = self._lines = self._left_out = 0

    def take(self) -> int | None:
        """Return the number of lines that were left out before this one, or None if it is left out, too."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines == LINES_A_SECOND:
            self._left_out += 1
            return None
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        return left_out


class AboutRequest(logging.Filter):
    """Adds its ids to the lines about a request, and limits its warnings: clients can cause them at any rate."""

    def __init__(self) -> None:
        super().__init__()
        self._limits: dict[tuple[str, int], Limit] = {}  # by place in the code

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a record."""
        fields = vars(record)
        for name, value in of_request.get().items():
            fields.setdefault(name, value)
        if record.levelno < logging.WARNING or "request_id" not in fields:
            return True
        left_out = self._limits.setdefault((record.pathname, record.lineno), Limit()).take()
        if left_out:
            fields["left_out"] = left_out
        return left_out is not None


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
