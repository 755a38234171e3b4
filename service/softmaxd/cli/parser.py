"""Command-line parsers whose errors name the command, the value and the nearest name."""

import argparse
import importlib.util
import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from softmaxd.errors import StartupError, pip_install
from softmaxd.settings import Settings, option_name

MOST_NUMBERED = 100_000  # features that need no names: their manifest is 7 MB

SEEDS_BELOW = 2**32  # NumPy's generator takes no others

Commands = Any  # argparse names the type of a group of commands in private only


class Parser(argparse.ArgumentParser):
    """An `argparse` parser that takes no abbreviated options, and handles unknown names by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self._commands: Iterable[str] = ()
        self._arguments: list[str] = []

    def add_commands(self, metavar: str) -> Commands:
        """Return the group to add commands to."""
        group = self.add_subparsers(metavar=metavar, required=True)
        self._commands = group.choices  # filled as commands are added
        return group

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown arguments here, where the usage is that of the command."""
        self._arguments = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the usage and one line, and exit with 2."""
        choice = re.match(r"argument (command|action|recipe): invalid choice: '([^']*)'", message)
        if choice:
            message = f"unknown {choice[1]} {choice[2]}{_nearest(choice[2], self._commands)}"
        elif message.startswith("the following arguments are required") and (misspelt := self._misspelt()):
            message = self._unknown(misspelt)  # which may be the required one
        super().error(message)

    def _misspelt(self) -> str | None:
        """Return the first option that the command does not have."""
        options = [argument for argument in self._arguments if argument.startswith("--")]
        return next((name for name in options if name.partition("=")[0] not in self._option_string_actions), None)

    def _unknown(self, argument: str) -> str:
        name = argument.partition("=")[0]
        if not name.startswith("-"):
            return f"unexpected argument {argument}"
        return f"unknown option {name}{_nearest(name, self._option_string_actions)}"


def _nearest(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that names the most similar name, if one is similar."""
    found = get_close_matches(name, list(names), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def whole_number(*, least: int, below: int | None = None) -> Callable[[str], int]:
    """Return an argument type: a whole number from `least`, and less than `below` if given."""
    expected = f"a whole number of at least {least}" if below is None else f"a whole number from {least} to {below - 1}"

    def read(text: str) -> int:
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else None
        if number is None or number < least or (below is not None and number >= below):
            raise ArgumentTypeError(f"expected {expected}, not {text!r}")
        return number

    return read


def add_number(
    parser: argparse.ArgumentParser, option: str, text: str, default: int, *, least: int = 1, below: int | None = None
) -> None:
    """Add an option that is a whole number."""
    kind = whole_number(least=least, below=below)
    parser.add_argument(option, metavar="N", type=kind, default=default, help=f"{text} Default: {default}.")


def names(text: str) -> list[str]:
    """Argument type: names with commas between them, or `@FILE` for those of a file, one a line."""
    if text.startswith("@"):
        return _names_of(Path(text[1:]))
    return [name.strip() for name in text.split(",")]


def feature_names(text: str) -> list[str]:
    """Argument type: the names of features, or the number of features, which are then numbered."""
    if not re.fullmatch("[0-9]+", text):
        return names(text)
    return [f"x{index}" for index in range(whole_number(least=1, below=MOST_NUMBERED + 1)(text))]


def _names_of(file: Path) -> list[str]:
    """Return the lines of a text file without blanks around them; empty lines at its end are no names."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ArgumentTypeError(f"{error.strerror}: {file}") from error
    except UnicodeDecodeError as error:
        raise ArgumentTypeError(f"{file} is not UTF-8 text") from error
    return [line.strip() for line in text.rstrip().split("\n")]


def add_settings(parser: Parser, settings: Iterable[str]) -> None:
    """Add an option for each of these settings."""
    for name in settings:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, ()) else f" Default: {field.default}."
        text = f"{(field.description or '').replace('`', '')}{default}".replace("%", "%%")
        parser.add_argument(option_name(name), metavar="VALUE", default=argparse.SUPPRESS, help=text)


def need(modules: Iterable[str], command: str, extra: str) -> None:
    """Raise `StartupError` if a module is missing that only an extra installs."""
    if any(importlib.util.find_spec(module) is None for module in modules):
        install = pip_install(f"'softmaxd[{extra}]'")
        raise StartupError(f"{command} needs packages that serving does not: {install}, or make {extra} in a checkout")
