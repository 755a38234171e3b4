"""A model as its own library has it: ONNX graphs that were made of it, and its outputs for rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from typing import Any

import numpy.typing as npt

from softmaxd.errors import Refused, pip_install

LONGEST = 300  # characters of a library's message
GRAPH, ROWS, OUTPUT = "graph.onnx", "rows.npz", "output.npy"  # files that two processes exchange

Values = npt.NDArray[Any]
Inputs = Mapping[str, Values]  # rows, as the graph takes them: [n, …] by the name of each input
Known = Sequence[tuple[Sequence[float] | Sequence[str], Sequence[float]]]  # values, and numbers of the range


@dataclass(frozen=True, slots=True)
class Original:
    """A model of another library: names with versions, ONNX files of which the first that answers alike is taken.

    `run` gives the output of a name, as the graph has it; it may raise anything. `known` has
    values and a range of each feature, if its library takes numbers as float64; else it is None.
    """

    library: str
    converter: str
    graphs: Iterator[bytes]
    run: Callable[[Inputs, str], Values]
    features: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    known: Known | None = None


def need(packages: Mapping[str, str], *, install: str) -> None:
    """Raise `Refused` if a module is missing; `packages` are their packages by module."""
    if missing := [package for module, package in packages.items() if find_spec(module) is None]:
        raise Refused(f"it needs {' and '.join(missing)}: {pip_install(install)}")


def named(module: str, name: str) -> str:
    """Return the name of a library with its version."""
    return (
        f"{name} {getattr(import_module(module), '__version__', None) or version(packages_distributions()[module][0])}"
    )


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, not too long, with the class of the error if it has none."""
    lines = (line.strip() for line in str(error).splitlines())
    text = next(filter(None, lines), type(error).__name__)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
