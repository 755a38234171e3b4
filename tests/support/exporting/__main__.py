"""Writes all models of a library into a folder."""

import sys
from importlib import import_module
from pathlib import Path


def main(library: str, folder: str) -> None:
    """Export the models of a module of this package."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for export in import_module(f"tests.support.exporting.{library}").exports():
        export.write(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
