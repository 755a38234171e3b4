"""Chooses the tensor whose rows have a typicality: the features, or an inner tensor of the graph."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from softmaxd.adding.calibrated import Source
from softmaxd.adding.inner import common_tensors, with_tensors
from softmaxd.errors import Refused
from softmaxd.models.features import INPUT
from softmaxd.models.manifest import LOGITS, Manifest
from softmaxd.models.outputs import Features
from softmaxd.numerics.softmax import Floats
from softmaxd.tables.rows import counted
from softmaxd_training.outputs import outputs_of
from softmaxd_training.rows import Rows

MOST_FEATURES = 4096  # whose covariance takes 64 MiB of the model's file
MOST_TRIED = 200  # tensors
ROWS_TO_TRY = 64
MATRIX = 2  # dimensions
OPTION = "name one with --typicality-of TENSOR"

Values = npt.NDArray[np.generic]


def check_width(manifest: Manifest) -> None:
    """Raise `Refused` if the features of a model are too many numbers for a typicality of their own."""
    width = manifest.layout.width
    if not manifest.tensors and width > MOST_FEATURES:
        raise Refused(
            f"a row of {manifest.name} has {width} numbers, and typicality takes at most {MOST_FEATURES}: for that of "
            f"an inner tensor, {OPTION}"
        )


def typical_of(content: bytes, manifest: Manifest, tensor: str | None, rows: Rows) -> tuple[Source, Rows]:
    """Return the tensor whose rows have a typicality, and its numbers [n, d] for these rows.

    That is the one with this name, or else the features, or for those of a table the first inner tensor [n, d] of
    numbers, none of them missing, that all inputs flow into. Raises `Refused` if there is none, or if it has numbers
    that are not finite.
    """
    if tensor is None and not manifest.tensors:
        dimensions = 1 + max(manifest.depth, 1)
        return Source(INPUT, manifest.dtype, dimensions), rows
    name = tensor or _encoded(content, manifest, rows.features[:ROWS_TO_TRY])
    graph, (given,) = with_tensors(content, [name])
    values = outputs_of(graph, manifest, rows.features)[given]
    _check(name, values, len(rows))
    return Source(name, values.dtype, values.ndim), Rows(values.reshape(len(rows), -1), rows.classes)


def numbers_of(content: bytes, manifest: Manifest, tensor: str | None, features: Features) -> Floats:
    """Return the numbers [n, d] whose distances are the atypicality: as `typical_of`, for other rows."""
    _, typical = typical_of(content, manifest, tensor, Rows(features, np.zeros(len(features), dtype=np.int64)))
    numbers: Floats = typical.features.reshape(len(features), -1).astype(np.float64)
    return numbers


def _encoded(content: bytes, manifest: Manifest, rows: Features) -> str:
    """Return the first inner tensor [n, d] of finite numbers that all inputs flow into. Raises `Refused`."""
    names = common_tensors(content)[:MOST_TRIED]
    graph, _ = with_tensors(content, names)
    tried = np.concatenate([rows, with_missing(rows, manifest)])
    outputs: Mapping[str, object] = outputs_of(graph, manifest, tried)
    found = next((name for name in names if _is_matrix(outputs[name], len(tried))), None)
    if found is None:
        raise Refused(
            f"{manifest.name} has no inner tensor of numbers that all its inputs flow into, which typicality needs: "
            f"{OPTION}, such as {LOGITS}"
        )
    return found


def with_missing(rows: Features, manifest: Manifest) -> Features:
    """Return these rows without any value that may be missing."""
    found = rows.copy()
    for tensor in manifest.tensors:
        field = found if manifest.takes_array else found[tensor.name]
        for column, index in enumerate(tensor.columns):
            feature = manifest.features[index]
            if feature.nullable:
                field[:, column] = feature.missing if tensor.datatype == "BYTES" else np.nan
    return found


def _is_matrix(values: object, rows: int) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f" or values.ndim != MATRIX:
        return False
    return len(values) == rows and bool(np.isfinite(values).all())


def _check(name: str, values: Values, rows: int) -> None:
    """Raise `Refused` if a tensor has no row of finite numbers for each row."""
    if values.dtype.kind not in "fiu" or values.ndim < MATRIX or len(values) != rows:
        raise Refused(
            f"typicality needs a row of numbers for each row, and the tensor {name} has none: {_form(values)}"
        )
    if (width := values[0].size) > MOST_FEATURES:
        raise Refused(f"a row of the tensor {name} has {width} numbers, and typicality takes at most {MOST_FEATURES}")
    wrong = int((~np.isfinite(values.reshape(rows, -1)).all(axis=1)).sum())
    if wrong:
        raise Refused(f"the tensor {name} is not finite for {counted(wrong, 'row')}, and so has no typicality")


def _form(values: Values) -> str:
    kind = "string" if values.dtype.kind == "O" else values.dtype.name
    return f"it is {kind} {list(values.shape)}"


def note_of(source: Source, width: int) -> str:
    """Return a note on a tensor whose rows have the typicality."""
    return f"typicality: of the tensor {source.name}, {counted(width, 'number')} a row"
