"""`softmaxd serve`."""

import logging
import os
import signal
import sys

from softmaxd.cli.parser import Commands, add_settings
from softmaxd.settings import Settings, service_links

logger = logging.getLogger(__name__)


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "serve",
        help="serve the models of a folder over HTTP",
        description="Serve the models of a folder over HTTP. Each option is also an environment variable.",
        epilog="example: softmaxd serve --models-dir models --port 8000",
    )
    parser.set_defaults(run=run)
    add_settings(parser, Settings.model_fields)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C. Raises `StartupError`."""
    for number in (signal.SIGTERM, signal.SIGINT):  # until uvicorn has its own: process 1 of a container ignores them
        signal.signal(number, lambda *_: sys.exit(0))
    from softmaxd.logs import set_up_logs  # noqa: PLC0415 - `softmaxd health` must start fast
    from softmaxd.server import serve  # noqa: PLC0415

    set_up_logs(settings.log_format, settings.log_level)
    if ignored := service_links(os.environ):
        logger.info("ignored %s: Kubernetes sets them for a Service of this name", ", ".join(ignored))
    serve(settings)
    return 0
