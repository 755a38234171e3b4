"""The types of rows in the schemas of all protocols. Their shapes are checked later, with our own messages."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, cast, get_type_hints

from pydantic import Field, FiniteFloat, Tag, with_config
from typing_extensions import TypedDict

from softmaxd.models.features import MAX_DIMENSIONS

NOT_EMPTY = Field(fail_fast=True, json_schema_extra={"minItems": 1})
FAIL_FAST = Field(fail_fast=True)

DEPTHS = range(1, MAX_DIMENSIONS + 1)

T = TypeVar("T")

Vector = Annotated[list[FiniteFloat], NOT_EMPTY]
Matrix = Annotated[list[Vector], NOT_EMPTY]
Records = Annotated[
    list[Annotated[dict[str, FiniteFloat], Field(json_schema_extra={"minProperties": 1})]],
    NOT_EMPTY,
]

# Each branch of a union has a tag, so that `problems_of` reports only the branch that came furthest.
VectorOrMatrix = Annotated[
    Annotated[Vector, Tag("vector")] | Annotated[Matrix, Tag("matrix")], Field(union_mode="left_to_right")
]
Instances = Annotated[
    Annotated[Matrix, Tag("rows")] | Annotated[Records, Tag("records")], Field(union_mode="left_to_right")
]

Cell = Any  # a value of a table: number, text, boolean or null, checked column by column
TableRow = Annotated[list[Cell], NOT_EMPTY]
TableRecord = Annotated[dict[str, Cell], Field(json_schema_extra={"minProperties": 1})]
TableRows = Annotated[
    Annotated[list[TableRow], NOT_EMPTY, Tag("rows")] | Annotated[list[TableRecord], NOT_EMPTY, Tag("records")],
    Field(union_mode="left_to_right"),
]


class HasInstances(TypedDict):
    """The field that every schema of a prediction has."""

    instances: Instances


class HasLogits(TypedDict):
    """The field of a request that brings its own logits."""

    logits: VectorOrMatrix


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


def allow_tables(schema: dict[str, Any]) -> None:
    """Add to the JSON schema of rows that they may be tensors, or objects of a table with other values than numbers."""
    allow_tensors(schema)
    schema["anyOf"].append({"type": "array", "items": {"type": "object", "minProperties": 1}, "title": "table"})


def allow_tensors(schema: dict[str, Any]) -> None:
    """Add to the JSON schema of rows that they may be tensors, or have other values: the model says which."""
    schema["anyOf"].append({"type": "array", "items": {"type": "array", "items": {}}, "title": "tensors"})


def with_fields(body: type[T], fields: Mapping[str, Any]) -> type[T]:
    """Return a TypedDict like `body`, but with other types of some fields."""
    hints = {**get_type_hints(body, include_extras=True), **fields}
    made = TypedDict(body.__name__, hints, total=body.__total__)  # type: ignore[misc]
    return cast(type[T], with_config(body.__pydantic_config__)(made))  # type: ignore[attr-defined]
