"""Compares the labels that a model gives for the rows of a table with those that the table expects."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softmaxd.errors import Refused
from softmaxd.models.engine import Engine
from softmaxd.models.loading import as_graph_takes
from softmaxd.models.manifest import PROBABILITIES, Manifest
from softmaxd.models.together import Run
from softmaxd.tables.labelled import Labelled, read_labelled

MOST_SHOWN = 10  # disagreements


@dataclass(frozen=True, slots=True)
class Comparison:
    """A summary with the accuracy, and one sentence for each of the first disagreements."""

    summary: str
    disagreements: tuple[str, ...]


def compare(content: bytes, manifest: Manifest, file: Path, target: str) -> Comparison:
    """Run an ONNX model on the rows of a CSV or Parquet file, whose column `target` has the labels to expect.

    Raises `Refused`, with the place, for a row or a label that the model does not take, and `OSError`.
    """
    run = as_graph_takes(Engine(content, device="cpu"), manifest)
    disagreements: list[str] = []
    right = count = 0
    try:
        with file.open("rb") as source:
            columns, parts = read_labelled(source, target, manifest)
            for part in parts:
                found = _disagreements(run, manifest, part)
                disagreements += found[: MOST_SHOWN - len(disagreements)]
                right += len(part.rows) - len(found)
                count += len(part.rows)
        if not count:
            raise Refused("it has no rows")
    except Refused as error:
        raise Refused(f"{file}: {error}") from error
    if count - right > len(disagreements):
        disagreements.append(f"and {count - right - len(disagreements)} more")
    summary = f"like {file.name}: {right} of {count} rows have the expected label, accuracy {right / count:.1%}"
    order = "in order" if columns.are_by_order else "by name"
    return Comparison(f"{summary}; columns {order}", tuple(disagreements))


def _disagreements(run: Run, manifest: Manifest, part: Labelled) -> Sequence[str]:
    probabilities = run(part.features)[PROBABILITIES]
    served = probabilities.argmax(axis=1)
    finite = [bool(np.isfinite(each).all()) for each in probabilities]
    return [
        f"{part.rows.place(row)}: {manifest.labels[part.classes[row]]} expected, "
        + (f"{manifest.labels[best]} served ({probabilities[row, best]:.2f})" if finite[row] else "no finite answer")
        for row, best in enumerate(served)
        if best != part.classes[row] or not finite[row]
    ]
