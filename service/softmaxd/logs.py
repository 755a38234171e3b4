"""Log lines on standard error: readable on a terminal, JSON for machines."""

import logging
import sys
from typing import Literal

from pythonjsonlogger.json import JsonFormatter


def set_up_logs(log_format: Literal["auto", "console", "json"], level: str) -> None:
    """Send the lines of every logger, uvicorn's included, to standard error in one format."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()):
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(JsonFormatter("{asctime}{levelname}{name}{message}", style="{", rename_fields=names))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
