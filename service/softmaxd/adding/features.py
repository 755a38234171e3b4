"""Describes the features of a graph: in the manifest, and in plain words."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ValidationError

from softmaxd.adding.examples import Texts
from softmaxd.adding.graphs import CONVERTED, Input
from softmaxd.adding.missing import Missing
from softmaxd.adding.running import shape_text
from softmaxd.adding.tables import Source, Table
from softmaxd.errors import Refused
from softmaxd.models.by_name import listed
from softmaxd.models.features import DTYPES, MAX_CATEGORIES, TABLE_DTYPES, Feature

CATEGORIES_NAMED = 3
VALUES_SHOWN = 6  # of a row
MISSING = "missing: "  # how the note on missing values begins
WRONG_NAME = "a feature's name should have 1 to 200 characters, and so should that of an input"

Names = Sequence[str]


def describe_features(
    source: Source,
    names: Names,
    known: Texts,
    missing: Missing,
    taken: Mapping[int, Sequence[float]],
    closed: Collection[int] = (),
) -> tuple[Feature, ...]:
    """Return the features as a manifest has them. Raises `Refused` for a name that is not allowed.

    `taken` are the numbers of features that the graph takes no others for, sorted; these give the range of the feature.
    `closed` are the features whose texts it takes no others for.
    """
    check_unique(names, "--features")
    found: dict[int, dict[str, object]] = {
        index: {"min": numbers[0], "max": numbers[-1], "values": tuple(numbers)} for index, numbers in taken.items()
    }
    found |= {index: {"only_categories": True} for index in closed if len(known[index]) <= MAX_CATEGORIES}
    try:
        features = _features(source, names, known, missing)
        return tuple(feature.model_copy(update=found.get(index, {})) for index, feature in enumerate(features))
    except ValidationError as error:
        raise Refused(WRONG_NAME) from error


def _features(source: Source, names: Names, known: Texts, missing: Missing) -> list[Feature]:
    if isinstance(source, Input):
        shape = source.shape if source.is_tensor else ()
        return [Feature(name=name, shape=shape, nullable=index in missing) for index, name in enumerate(names)]
    return [
        Feature(
            name=name,
            datatype=each.column_type,
            input=source.served_names[each.name],
            column=column if each.width > 1 else None,
            nullable=index in missing,
            missing=missing.get(index, ""),
            categories=tuple(known.get(index, ())[:MAX_CATEGORIES]),
        )
        for index, ((each, column), name) in enumerate(zip(source.columns, names, strict=True))
    ]


def check_unique(names: Names, option: str) -> None:
    """Raise `Refused` if a name is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Refused(f"{option} has the name {name!r} twice")
        seen.add(name)


def input_note(source: Source, names: Names, known: Texts) -> str:
    """Return a sentence on the inputs of a graph."""
    if isinstance(source, Table):
        first, inputs = 0, []
        for each in source.inputs:
            places = range(first, first + each.width)
            inputs.append(_described(each, [(names[index], known.get(index, ())) for index in places]))
            first += each.width
        note = f"features: the input{'s' * (len(inputs) > 1)} {listed(inputs)}"
    else:
        note = _described_numbers(source)
    if source.rows is not None:
        note += f"; exported for {source.rows} at a time, but takes any number of rows"
    return note


def missing_note(names: Names, missing: Missing) -> str:
    """Return a sentence on the features that may be missing."""
    others = [name for index, name in enumerate(names) if index not in missing]
    if not missing:
        return f"{MISSING}no feature may be missing"
    may = [
        f"{name} (the text {text!r} stands for it)" if text else name
        for name, text in ((names[index], text) for index, text in missing.items())
    ]
    return f"{MISSING}null is taken for {listed(may)}" + (f"; not for {listed(others)}" if others else "")


def row_text(row: Any, features: Sequence[Feature]) -> str:
    """Return the first values of a row, [columns] or an array for each input, with the names of their features."""
    cells = [cell for part in row for cell in np.ravel(part).tolist()]
    values = [_shown(cell) for cell in cells[:VALUES_SHOWN]]
    if len(cells) == len(features):  # a tensor is one feature
        values = [f"{feature.name}={value}" for feature, value in zip(features, values, strict=False)]
    return f"[{', '.join(values + ['…'] * (len(cells) > VALUES_SHOWN))}]"


def _shown(cell: Any) -> str:
    """Return a value on one line; a number has six digits, if these are all that it has as float32, else all."""
    if not isinstance(cell, float):
        return str(cell) if str(cell).isprintable() else repr(cell)
    short = f"{cell:.6g}"
    return short if cell in (float(short), float(np.float32(short))) else repr(cell)


def _described(source: Input, columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    shape = f" {shape_text(['n', source.width])}" if source.width > 1 else ""
    name = source.name if shape else columns[0][0]
    if source.column_type != "BYTES":
        dtype = TABLE_DTYPES[source.column_type].name
        return f"{name} {dtype if source.kind != 'float16' else 'float16 (served as float32)'}{shape}"
    found = [f"{each}: {_categories(texts)}" if shape else _categories(texts) for each, texts in columns]
    return f"{name} text{shape} ({'; '.join(found)})"


def _categories(texts: Sequence[str]) -> str:
    if not texts:
        return "no categories"
    shown = [text if text and "," not in text else repr(text) for text in texts[:CATEGORIES_NAMED]]
    some = ", ".join(shown) + ", …" * (len(texts) > CATEGORIES_NAMED)
    return f"{len(texts):,} {'categories' if len(texts) > 1 else 'category'}: {some}"


def _described_numbers(source: Input) -> str:
    kind = source.kind if source.kind in CONVERTED else DTYPES[source.datatype].name
    note = f"features: the input {source.name}, {kind} {shape_text(['n', *source.shape])}"
    if kind == "bool":
        note += "; served as float32, and rows with numbers other than 0 and 1 are refused"
    elif kind == "float16":
        note += "; served as float32, and may be rounded to float16"
    return note
