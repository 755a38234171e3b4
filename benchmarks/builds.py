"""The build of Python that runs a contender: builds of one version differ in speed by a tenth or more.

`python -m benchmarks.builds NAME…` prints the build of the Python that runs it, and the versions of these packages.
"""

import json
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.contenders import Entry
from benchmarks.processes import ROOT

OPTIMISATIONS = {"--enable-optimizations": "PGO", "--with-lto": "LTO"}


def build() -> dict[str, str]:
    """Return implementation, version, compiler and origin of this Python."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    return {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "compiler": platform.python_compiler(),
        "from": origin(arguments),
        "optimisations": ", ".join(name for option, name in OPTIMISATIONS.items() if option in arguments),
    }


def origin(arguments: str) -> str:
    """Return where a Python is from, by the arguments of `configure` that it was built with.

    A copy keeps them: a Python in an image that pyenv has built is still pyenv's.
    """
    if "pyenv" in arguments:
        return "pyenv"
    if "--prefix=/usr'" in arguments:
        return "Debian"
    if "--enable-option-checking=fatal" in arguments:  # as the Dockerfile of the official images has it
        return "the official image"
    return "another source"


def told(found: Mapping[str, str]) -> str:
    """Return a build as a phrase."""
    details = ", ".join(filter(None, (found["compiler"], found["optimisations"])))
    return f"{found['implementation']} {found['version']} from {found['from']} ({details})"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of this Python, and of the packages that it has."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue  # the service may not need it
    return found


def ask(python: str, packages: Iterable[str]) -> dict[str, Any]:
    """Return `build` and `versions` of another interpreter; raises `CalledProcessError` when it cannot tell."""
    command = [python, "-m", "benchmarks.builds", *packages]
    answer: dict[str, Any] = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    return answer


def by(python: str, entry: Entry) -> Entry:
    """Return the entry with another interpreter for its program, if that is one in Python."""
    contender = entry.contender
    if contender.command[0] != sys.executable:
        return entry
    return replace(entry, contender=replace(contender, command=[python, *contender.command[1:]]))


if __name__ == "__main__":
    print(json.dumps({"build": build(), "versions": versions(sys.argv[1:])}))
