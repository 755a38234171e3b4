"""The outputs of some rows → lines of CSV, with the digits of an answer of `/predict`."""

from collections.abc import Sequence

import numpy as np
import orjson

from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Outputs, to_json
from softmaxd.protocols.native.codec import PredictJob
from softmaxd.protocols.native.ranking import sets_as_json
from softmaxd.tables.rows import quoted

BY_CLASS = ("logits", "log_probabilities")  # of the fields that `include` has: a number for each class


def header_of(manifest: Manifest, include: Sequence[str]) -> list[str]:
    """Return the names of the columns of an answer."""
    by_class = ["probabilities", *(field for field in BY_CLASS if field in include)]
    columns = [f"{field}.{label}" for field in by_class for label in manifest.labels]
    return ["predicted_label", *columns, *(field for field in ("prediction_sets", "typicality") if field in include)]


def lines_of(outputs: Outputs, job: PredictJob, kept: Sequence[bytes] | None, labels: Sequence[bytes]) -> bytes:
    """Return a line for each row: the cells that are kept, and the answer. Raises `OutputNotFinite`.

    `labels` are those of the model, as cells.
    """
    columns = [] if kept is None else [kept]
    columns += [list(map(labels.__getitem__, outputs.best)), _rows(outputs.json("probabilities"))]
    if "logits" in job.include:
        columns.append(_rows(outputs.json("logits")))
    if "log_probabilities" in job.include:
        columns.append(_rows(to_json(outputs.log_probabilities.astype(np.float32))))
    if calibration := job.manifest.calibration:
        if "prediction_sets" in job.include:
            highest, _ = calibration.thresholds(job.coverage, job.coverage_by)
            sets = sets_as_json(outputs.log_probabilities, highest, job.manifest.labels_as_json)
            columns.append([quoted(orjson.dumps(each)) for each in orjson.loads(sets)])
        if "typicality" in job.include:
            columns.append(to_json(calibration.typicality(outputs.atypicality))[1:-1].split(b","))
    return _joined(columns)


def _joined(columns: Sequence[Sequence[bytes]]) -> bytes:
    """Return columns as lines of CSV: all cells and the marks between them are joined at once."""
    step, rows = 2 * len(columns), len(columns[0])
    parts = [b","] * (step * rows)
    for index, column in enumerate(columns):
        parts[2 * index :: step] = column
    parts[step - 1 :: step] = [b"\n"] * rows
    return b"".join(parts)


def _rows(text: bytes) -> list[bytes]:
    """Return the rows of a JSON matrix of numbers, which are rows of CSV, too."""
    return text[2:-2].split(b"],[")
