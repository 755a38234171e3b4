"""The pin of a model: a small file in its folder with the version that answers for its name."""

from collections.abc import Mapping
from pathlib import Path

from softmaxd.errors import ModelError
from softmaxd.models.files import read_regular
from softmaxd.models.hidden import PINNED, write_small

PIN_FILE = "pinned"
MAX_DIGITS = 18  # of a version: far fewer than Python reads as a number

Pins = Mapping[str, int]  # pinned versions, by name of the model


def is_version(text: str) -> bool:
    """Return True if a text is the number of a version, in the one form that it has."""
    return len(text) <= MAX_DIGITS and text.isascii() and text.isdecimal() and not text.startswith("0")


def read_pin(folder: Path) -> int | None:
    """Return the pinned version of a model's folder, if any. Raises `ModelError` for another content, or `OSError`."""
    try:
        text = read_regular(folder / PIN_FILE, max_bytes=MAX_DIGITS + 2).strip()
    except FileNotFoundError:
        return None
    if not is_version(text.decode("ascii", "replace")):
        raise ModelError(f"{PIN_FILE} has no number of a version")
    return int(text)


def write_pin(folder: Path, version: int) -> None:
    """Pin a version of a model's folder. Readers see the old pin or the new one. Raises `OSError`."""
    write_small(folder / PIN_FILE, f"{version}\n", PINNED)


def remove_pin(folder: Path) -> None:
    """Let the highest version of a model's folder answer again, whether it is pinned or not. Raises `OSError`."""
    (folder / PIN_FILE).unlink(missing_ok=True)
