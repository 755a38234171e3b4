"""Rows that are tensors, such as images: nested lists of JSON → checked features, one flat row for each tensor."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import numpy as np
from pydantic import Field, FiniteFloat, Tag, with_config
from typing_extensions import TypedDict

from softmaxd.models.by_name import by_name
from softmaxd.models.datatypes import invalid, misfit, to_type
from softmaxd.models.features import MAX_DIMENSIONS
from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features

NOT_EMPTY = Field(fail_fast=True, json_schema_extra={"minItems": 1})  # checked later, with our own message

DEPTHS = range(1, MAX_DIMENSIONS + 1)

T = TypeVar("T")


def nested(depth: int) -> Any:
    """Return the type of a tensor with so many dimensions: lists of lists … of finite numbers."""
    inner = nested(depth - 1) if depth > 1 else FiniteFloat
    return Annotated[list[inner], NOT_EMPTY]  # type: ignore[valid-type]


def rows_or_records(depth: int) -> Any:
    """Return the type of a list of tensors, or of objects that name the tensor."""
    return Annotated[
        Annotated[nested(depth + 1), Tag("rows")] | Annotated[records(depth), Tag("records")],
        Field(union_mode="left_to_right"),
    ]


def records(depth: int) -> Any:
    """Return the type of a list of objects that name the tensor."""
    return Annotated[list[dict[str, nested(depth)]], NOT_EMPTY]  # type: ignore[misc]


def allow_tensors(schema: dict[str, Any]) -> None:
    """Add to the JSON schema of rows that they may be tensors: the number of dimensions is the model's."""
    schema["anyOf"].append({"type": "array", "items": {"type": "array", "items": {}}, "title": "tensors"})


def with_fields(body: type[T], fields: Mapping[str, Any]) -> type[T]:
    """Return a TypedDict like `body`, but with other types of some fields."""
    hints = {**get_type_hints(body, include_extras=True), **fields}
    made = TypedDict(body.__name__, hints, total=body.__total__)  # type: ignore[misc]
    return cast(type[T], with_config(body.__pydantic_config__)(made))  # type: ignore[attr-defined]


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
