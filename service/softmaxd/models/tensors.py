"""Rows that are tensors, such as images: nested lists of JSON → checked features, one flat row for each tensor."""

from collections.abc import Sequence

import numpy as np

from softmaxd.models.by_name import by_name
from softmaxd.models.datatypes import invalid, misfit, to_type
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features


def to_tensors(rows: Sequence[object], manifest: Manifest, place: Sequence[str | int]) -> Features:
    """Return nested lists, or objects that name them, as features [rows, numbers].

    `place` is the path of the rows in the body. Raises `InvalidBody`.
    """
    feature, layout = manifest.features[0], manifest.layout
    tensors = [
        by_name(row, [feature.name], [*place, index])[0] if isinstance(row, dict) else row
        for index, row in enumerate(rows)
    ]
    for index, tensor in enumerate(tensors):
        if _shape(tensor) != layout.shape:
            shape = " × ".join(map(str, layout.shape))
            loc = [*place, index, *([feature.name] if isinstance(rows[0], dict) else [])]
            raise invalid("tensor_shape", loc, f"Input should be nested lists of {shape} numbers, {feature.name}")
    features, fit = to_type(tensors, layout.datatype)
    if not fit.all():
        row, *inside = np.argwhere(~fit)[0].tolist()
        loc = [*place, row, *([feature.name] if isinstance(rows[0], dict) else []), *inside]
        raise misfit(float(np.array(tensors[row])[tuple(inside)]), loc, layout.datatype)
    return features.reshape(len(tensors), layout.width)


def _shape(tensor: object) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None if lists of one level have different lengths."""
    if not isinstance(tensor, list):
        return ()
    shapes = {_shape(inner) for inner in tensor}
    shape = shapes.pop() if len(shapes) == 1 else None
    return None if shape is None else (len(tensor), *shape)
