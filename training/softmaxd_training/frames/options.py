"""The choices of the user about reading a file."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is to be read; None leaves it to the file.

    The options of the command: `--separator`, `--encoding`, `--header` and `--no-header`, `--sheet`.
    """

    separator: str | None = None  # of a CSV: "," ";" "|" or a tab, which may be written \t or tab
    encoding: str | None = None  # of a CSV: one of Python's names; else UTF-8, or UTF-16 with a byte order mark
    header: bool | None = (
        None  # True if the first row has the names, although it looks like values; False if there are none
    )
    sheet: str | None = None  # of a workbook: the name of a sheet; else the first one
