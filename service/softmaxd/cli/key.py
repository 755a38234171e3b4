"""`softmaxd key`: makes a key for a client, and the hash of one for the service."""

import re
import secrets
import sys
from getpass import getpass

from softmaxd.access import hash_of
from softmaxd.cli.output import say
from softmaxd.cli.parser import Commands
from softmaxd.errors import Refused
from softmaxd.settings import Settings

PREFIX = "softmaxd_"  # people, and tools that look for lost keys, recognise it
BYTES = 32
KEY = re.compile(r"[!-~]{16,1024}")


def add(commands: Commands) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser(
        "key",
        help="make a key for a client, or the hash of a key for the service",
        description="Make keys for clients. The service gets their hashes only: in the setting api_keys or admin_keys, "
        "or as lines of the file of api_keys_file.",
        epilog="example: softmaxd key new",
    )
    actions = parser.add_commands("action")
    parser = actions.add_parser(
        "new",
        help="make a key",
        description="Print a new random key, and its hash on standard error.",
        epilog="example: softmaxd key new > key.txt",
    )
    parser.set_defaults(run=new)
    parser = actions.add_parser(
        "hash",
        help="print the hash of a key",
        description="Print the SHA-256 hash of a key. It reads the key from standard input: arguments of a command can "
        "be seen by other users of the machine.",
        epilog="example: softmaxd key hash < key.txt",
    )
    parser.set_defaults(run=print_hash)


def new(_settings: Settings) -> int:
    """Print a new key."""
    key = PREFIX + secrets.token_urlsafe(BYTES)
    say(key)
    say(f"softmaxd: the service needs its hash only: {hash_of(key.encode()).hex()}", file=sys.stderr)
    return 0


def print_hash(_settings: Settings) -> int:
    """Print the hash of the key on standard input. Raises `Refused` for a text that is no key, or one to guess."""
    key = (getpass("key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not KEY.fullmatch(key):
        raise Refused(
            "a key has 16 to 1,024 visible ASCII characters without spaces, or it could be guessed or not be sent; "
            "softmaxd key new makes one"
        )
    say(hash_of(key.encode()).hex())
    return 0
