"""`softmaxd health`."""

import http.client
import sys

from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, add_settings
from softmaxd.settings import Settings
from softmaxd.tls import unverified_context

SECONDS = 2.0


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "health",
        help="exit with 0 when a running service is ready, else with 1",
        description="Ask a running service whether it is ready, for container health checks.",
        epilog="example: softmaxd health --port 8000",
    )
    parser.set_defaults(run=run)
    add_settings(parser, ["host", "port", "tls_cert"])


def run(settings: Settings) -> int:
    """Return 0 if the service at host and port is ready, else 1."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - it is compared
    connection = http.client.HTTPConnection(host, settings.port, timeout=SECONDS)
    if settings.tls_cert is not None:
        context = unverified_context()
        connection = http.client.HTTPSConnection(host, settings.port, timeout=SECONDS, context=context)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        say(f"softmaxd: no answer from {host} port {settings.port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    say(f"{host} port {settings.port} is {'ready' if status == http.client.OK else f'not ready: {status}'}")
    return 0 if status == http.client.OK else 1
