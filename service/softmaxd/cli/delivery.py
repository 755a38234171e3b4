"""`softmaxd models pull` and `push`: bring versions from a store and into it."""

import re
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from typing import TYPE_CHECKING

from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands, Parser, add_number, add_settings, whole_number
from softmaxd.errors import Refused
from softmaxd.settings import Settings

if TYPE_CHECKING:
    from softmaxd.delivery.names import Wanted

TIMEOUT = 3600  # seconds: a gigabyte at 0.3 MB/s
STORE = "A folder, a URL like https://host/folder, or object storage like s3://bucket/folder."


def add(actions: Commands) -> None:
    """Add the actions to `softmaxd models`."""
    _add_pull(actions)
    _add_push(actions)


def _add_pull(actions: Commands) -> None:
    parser = actions.add_parser(
        "pull",
        help="bring versions from a store, checked and tried, under their own numbers",
        description="Bring versions from a store that softmaxd models push has filled. A version is published once "
        "its checksum is right and it could be tried; one that is there already stays as it is. A running service "
        "serves it within seconds.",
        epilog="example: softmaxd models pull https://models.example.com/production blobs:1",
    )
    parser.set_defaults(run=pull)
    parser.add_argument("store", metavar="STORE", help=f"{STORE} With --sha256, also the URL of one archive, x.tar.")
    text = "A model and one of its versions; without VERSION, the newest one."
    parser.add_argument("wanted", metavar="NAME[:VERSION]", type=_wanted, nargs="+", help=text)
    text = "The checksum that the one version must have, instead of the one in the store."
    parser.add_argument("--sha256", metavar="HEX", type=_sha256, help=text)
    text = "Pull the newest versions again and again, this many seconds after the last time, until ended."
    parser.add_argument("--watch", metavar="SECONDS", type=whole_number(least=1), help=text)
    _add_common(parser)


def _add_push(actions: Commands) -> None:
    parser = actions.add_parser(
        "push",
        help="bring a version into a store, for softmaxd models pull",
        description="Bring a version, once it could be tried, into a store. It never changes there.",
        epilog="example: softmaxd models push s3://models/production blobs:1",
    )
    parser.set_defaults(run=push)
    parser.add_argument("store", metavar="STORE", help=f"{STORE} A web server takes no files: push to its folder.")
    text = "A model and one of its versions; without VERSION, the one that answers: the pinned or the newest one."
    parser.add_argument("wanted", metavar="NAME[:VERSION]", type=_wanted, help=text)
    _add_common(parser)


def _add_common(parser: Parser) -> None:
    add_number(parser, "--timeout", "The seconds that each version may take.", TIMEOUT)
    add_settings(parser, ["models_dir"])


def _wanted(text: str) -> "Wanted":
    """Argument type: `NAME` or `NAME:VERSION`."""
    from softmaxd.delivery.names import wanted  # noqa: PLC0415 - it loads pydantic and NumPy

    try:
        return wanted(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _sha256(text: str) -> str:
    """Argument type: a SHA-256."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise ArgumentTypeError(f"expected 64 hexadecimal digits, not {text!r}")
    return text.lower()


def pull(
    settings: Settings,
    *,
    store: str,
    wanted: Sequence["Wanted"],
    sha256: str | None,
    watch: int | None,
    timeout: int,
) -> int:
    """Pull versions once, or until ended. Raises `Refused`, `ModelError`, `StartupError` or `OSError`."""
    from softmaxd.delivery import pull as pulling  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.delivery.choosing import open_store  # noqa: PLC0415
    from softmaxd.delivery.following import Follower  # noqa: PLC0415
    from softmaxd.delivery.names import Archive  # noqa: PLC0415
    from softmaxd.delivery.transfer import Patience  # noqa: PLC0415

    opened = open_store(store)
    _check(store, wanted, sha256, watch)
    if watch is not None:
        Follower(opened, settings, timeout, say, _tell).follow([name for name, _ in wanted], watch)
    for name, version in wanted:
        patience = Patience(timeout, _tell)
        known = Archive(name, version, sha256) if sha256 and version else None
        archive = known or pulling.find(opened, name, version, patience)
        is_new = pulling.pull(opened, archive, settings, patience)
        folder = archive.folder(settings.models_dir)
        say(f"published {folder}" if is_new else f"{folder} is there already")
    return 0


def push(settings: Settings, *, store: str, wanted: "Wanted", timeout: int) -> int:
    """Push a version. Raises `Refused`, `ModelError`, `StartupError` or `OSError`."""
    from softmaxd.delivery.choosing import open_shelf  # noqa: PLC0415 - it loads pydantic and NumPy
    from softmaxd.delivery.push import push as push_version  # noqa: PLC0415 - it loads ONNX Runtime
    from softmaxd.delivery.transfer import Patience  # noqa: PLC0415

    shelf = open_shelf(store)
    archive, is_new = push_version(shelf, wanted, settings, Patience(timeout, _tell))
    say(f"{'pushed' if is_new else 'there already:'} {shelf.place(archive.file)}", f"SHA-256 {archive.sha256}")
    return 0


def _check(store: str, wanted: Sequence["Wanted"], sha256: str | None, watch: int | None) -> None:
    """Raise `Refused` for options that do not go together."""
    if sha256 is not None and (len(wanted) > 1 or wanted[0].version is None or watch is not None):
        raise Refused("--sha256 goes with one NAME:VERSION, and without --watch")
    if sha256 is None and store.partition("?")[0].endswith(".tar"):
        raise Refused("the URL of one archive needs --sha256 HEX")
    if watch is not None and any(each.version is not None for each in wanted):
        raise Refused("--watch follows the newest versions: name the models without :VERSION")


def _tell(line: str) -> None:
    say(f"softmaxd: {line}", file=sys.stderr)
