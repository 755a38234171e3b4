"""The `softmaxd` command: finds the subcommand and runs it."""

import io
import os
import sys

from softmaxd import __version__
from softmaxd.cli import health, key, models, predict, serve, train
from softmaxd.cli.output import say
from softmaxd.cli.parser import Parser
from softmaxd.errors import ModelError, Refused, StartupError
from softmaxd.os_errors import naming, sentence
from softmaxd.settings import Settings, SettingsError, read_settings

INTERRUPTED = 130  # as a shell reports it: 128 + SIGINT


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code.

    0: success. 1: failure. 2: a wrong option or setting. 130: Ctrl-C.
    """
    _open_closed_streams()
    _write_any_text()
    try:
        return _run(arguments)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports it again at its end
        return 0
    except KeyboardInterrupt as error:
        return _fail(error if error.args else "interrupted", INTERRUPTED)
    except SettingsError as error:
        return _fail(error, 2)
    except (ModelError, StartupError, Refused) as error:
        return _fail(error, 1)
    except OSError as error:
        return _fail(sentence(error), 1)


def _run(arguments: list[str] | None) -> int:
    options = vars(parser().parse_args(arguments))
    run = options.pop("run")
    chosen = {name: options.pop(name) for name in Settings.model_fields if name in options}
    with naming("standard output"):
        code = int(run(read_settings(os.environ, chosen), **options))
        sys.stdout.flush()
    return code


def _fail(message: object, code: int) -> int:
    say(f"softmaxd: {message}", file=sys.stderr)
    return code


def _open_closed_streams() -> None:
    """Write to a stream that the caller has closed (`>&-`) as to `/dev/null`."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end


def _write_any_text() -> None:
    """Escape characters that the encoding of the output does not have, such as an ellipsis in ASCII."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def parser() -> Parser:
    """Return the parser of the whole command."""
    whole = Parser(
        prog="softmaxd",
        description="An inference service for softmax classifiers.",
        epilog="example: softmaxd serve --port 8000",
    )
    whole.add_argument("--version", action="version", version=f"softmaxd {__version__}")
    commands = whole.add_commands("command")
    for command in (serve, models, predict, train, key, health):
        command.add(commands)
    return whole
