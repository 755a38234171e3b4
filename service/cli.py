"""The `softmaxd` command."""

import argparse
import http.client
import os
import signal
import sys

from service import __version__
from service.errors import StartupError
from service.settings import Settings, SettingsError, option_name, read_settings

HEALTH_SECONDS = 2.0


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 1 for a failure, 2 for a wrong option or setting."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    try:
        settings = read_settings(os.environ, options)
        return _health(settings) if command == "health" else _serve(settings)
    except StartupError as error:
        print(f"softmaxd: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1


def _serve(settings: Settings) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):  # until uvicorn has its own: process 1 of a container ignores them
        signal.signal(number, lambda *_: sys.exit(0))
    from service.logs import set_up_logs  # noqa: PLC0415 - `softmaxd health` needs none of what serving loads
    from service.server import serve  # noqa: PLC0415

    set_up_logs(settings.log_format, settings.log_level)
    serve(settings)
    return 0


def _health(settings: Settings) -> int:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - it is compared
    connection = http.client.HTTPConnection(host, settings.port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"softmaxd: no answer from {host} port {settings.port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    print(f"{host} port {settings.port} is {'ready' if status == http.client.OK else f'not ready: {status}'}")
    return 0 if status == http.client.OK else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="softmaxd",
        description="An inference service for softmax classifiers.",
        epilog="example: softmaxd serve --port 8000",
    )
    parser.add_argument("--version", action="version", version=f"softmaxd {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve",
        help="serve the models of a folder over HTTP",
        description="Serve the models of a folder over HTTP. Each option is also an environment variable.",
        epilog="example: softmaxd serve --models-dir models --port 8000",
        allow_abbrev=False,
    )
    health = commands.add_parser(
        "health",
        help="exit with 0 when a running service is ready, else with 1",
        description="Ask a running service whether it is ready, for container health checks.",
        epilog="example: softmaxd health --port 8000",
        allow_abbrev=False,
    )
    _add_options(serve, list(Settings.model_fields))
    _add_options(health, ["host", "port"])
    return parser


def _add_options(parser: argparse.ArgumentParser, names: list[str]) -> None:
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, ()) else f" Default: {field.default}."
        text = f"{(field.description or '').replace('`', '')}{default}".replace("%", "%%")
        parser.add_argument(option_name(name), metavar="VALUE", default=argparse.SUPPRESS, help=text)


if __name__ == "__main__":
    sys.exit(main())
