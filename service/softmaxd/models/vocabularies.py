"""Texts of rows that a model does not know, where it takes them nevertheless."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from softmaxd.models.features import MAX_CATEGORIES, Feature, InputTensor

Texts = Mapping[str, npt.NDArray[Any]] | npt.NDArray[Any]  # the columns of inputs [rows, columns], by name of the input


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The texts that a graph knows for a feature: a column of one of its inputs."""

    name: str  # of the feature
    name_as_json: bytes
    input: str
    column: int
    known: frozenset[str]  # the text that stands for a missing one is among them if it may be missing


def vocabularies_of(features: Sequence[Feature], tensors: Sequence[InputTensor]) -> tuple[Vocabulary, ...]:
    """Return the vocabularies of the features whose categories are all known, if the graph takes other texts, too."""
    return tuple(
        _vocabulary(features[index], tensor.name, column)
        for tensor in tensors
        for column, index in enumerate(tensor.columns)
        if len(features[index].categories) not in {0, MAX_CATEGORIES} and not features[index].only_categories
    )


def _vocabulary(feature: Feature, tensor: str, column: int) -> Vocabulary:
    known = {*feature.categories, feature.missing} if feature.nullable else {*feature.categories}
    return Vocabulary(feature.name, orjson.dumps(feature.name), tensor, column, frozenset(known))


def unknown_texts(table: Texts, vocabularies: Sequence[Vocabulary]) -> npt.NDArray[np.bool_] | None:
    """Return which texts of a table are unknown [rows, vocabularies]; None if none is, the most frequent case."""
    by_input = {name: table[name].T.tolist() for name in {each.input for each in vocabularies}}
    columns = [by_input[each.input][each.column] for each in vocabularies]
    if all(each.known.issuperset(column) for each, column in zip(vocabularies, columns, strict=True)):
        return None
    flags = [[text not in each.known for text in column] for each, column in zip(vocabularies, columns, strict=True)]
    return np.array(flags, dtype=bool).T


def unknown_counts(table: Texts, vocabularies: Sequence[Vocabulary]) -> Mapping[str, int]:
    """Return in how many rows of a table each feature has an unknown text, by its name, if any has."""
    unknown = unknown_texts(table, vocabularies) if vocabularies else None
    if unknown is None:
        return {}
    counts = zip(vocabularies, unknown.sum(axis=0).tolist(), strict=True)
    return {each.name: count for each, count in counts if count}


def unknown_as_json(table: Texts, vocabularies: Sequence[Vocabulary]) -> Iterator[bytes]:
    """Yield the field `unknown` of an answer, after a comma: the names of features by row; nothing if none is."""
    unknown = unknown_texts(table, vocabularies)
    if unknown is not None:
        names = [each.name_as_json for each in vocabularies]
        yield b',"unknown":[%s]' % b",".join([b"[%s]" % b",".join(compress(names, row)) for row in unknown.tolist()])
