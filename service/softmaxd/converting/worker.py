"""The process that opens a library's file: makes ONNX of it, and gives the library's outputs for rows.

`apart` starts it with a kind, a file and a folder for arrays, and writes a line of JSON for each request. Each answer
is a line of JSON, too. Libraries may print, crash or end the process here.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from softmaxd.converting.boosters import open_lightgbm, open_xgboost
from softmaxd.converting.networks import open_keras, open_saved_model
from softmaxd.converting.original import GRAPH, OUTPUT, ROWS, Inputs, Original, Values, first_line
from softmaxd.converting.scikit_learn import open_pickle, open_skops
from softmaxd.errors import Refused

OPENERS: Mapping[str, Callable[[Path], Original]] = {
    "keras": open_keras,
    "saved_model": open_saved_model,
    "pickle": open_pickle,
    "skops": open_skops,
    "xgboost": open_xgboost,
    "lightgbm": open_lightgbm,
}


def answers(kind: str, file: Path, folder: Path, requests: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield facts about a file, then an answer to each request; the last one says why the file is refused, if it is.

    An empty request writes the next ONNX file, and answers whether there is one. The request of an `output` writes it
    for the rows in the folder, which has an array for each of the `inputs`, and answers with the numbers of the rows
    that the library takes.
    """
    try:
        original = OPENERS[kind](file)
        facts = {name: getattr(original, name) for name in ("library", "converter", "features", "notes", "known")}
        yield facts
        for request in requests:
            yield _answer(original, folder, request)
    except Refused as error:
        yield {"refused": str(error)}
    except Exception as error:  # of a library, or of the code in a pickle
        yield {"refused": f"{type(error).__name__}: {first_line(error)}"}


def _answer(original: Original, folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    if "output" not in request:
        graph = next(original.graphs, None)
        (folder / GRAPH).write_bytes(graph or b"")
        return {"found": graph is not None}
    with np.load(folder / ROWS) as arrays:
        inputs = dict(zip(request["inputs"], arrays.values(), strict=True))
    taken, values = _run(original, inputs, request["output"])
    np.save(folder / OUTPUT, values)
    return {"rows": taken}


def _run(original: Original, inputs: Inputs, output: str) -> tuple[list[int], Values]:
    """Return the numbers of the rows that the library takes, and its output for them.

    It refuses a category that it does not know, for example. Raises `Refused` if it takes no row.
    """
    count = len(next(iter(inputs.values())))
    try:
        return list(range(count)), original.run(inputs, output)
    except Exception as error:  # a library raises any class
        found = {}
        for row in range(count):
            try:
                found[row] = original.run({name: rows[row : row + 1] for name, rows in inputs.items()}, output)
            except Exception:  # noqa: S112 - as above
                continue
        if not found:
            raise Refused(f"{original.library} cannot run it: {first_line(error)}") from error
        return list(found), np.concatenate(list(found.values()))


def main() -> None:
    """Answer requests on the standard input, and let nothing else reach the standard output."""
    kind, file, folder = sys.argv[1:]
    lines = os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    requests = (orjson.loads(line) for line in sys.stdin.buffer)
    for answer in answers(kind, Path(file), Path(folder), requests):
        lines.write(orjson.dumps(answer) + b"\n")


if __name__ == "__main__":
    main()
