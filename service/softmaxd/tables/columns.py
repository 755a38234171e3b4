"""The columns of a table: which are features, in which order, which has the labels, and which are passed through."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softmaxd.errors import Refused
from softmaxd.models.by_name import listed, nearest_name
from softmaxd.models.features import Feature
from softmaxd.models.manifest import Manifest
from softmaxd.tables.rows import Header, Kind, Rows, counted

TRUTHS = {"true", "false"}  # as the text of a truth in Parquet
WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")  # as that of a whole number


@dataclass(frozen=True, slots=True)
class Columns:
    """The places of the model's features in a row, and of the other columns that are kept."""

    names: Sequence[str]  # of the file
    features: Sequence[int]
    kept: Sequence[int] = ()
    are_by_order: bool = False  # their names do not matter

    @property
    def kept_names(self) -> list[str]:
        """The names of the columns that are passed through."""
        return [self.names[index] for index in self.kept]

    def choose(self, found: Rows) -> tuple[Rows, Sequence[bytes] | None]:
        """Return the features of each row, and its other cells as CSV, None if none are kept. Raises `Refused`."""
        if not self.kept and found.are_utf8 and list(self.features) == list(range(len(self.names))):
            return found, None
        columns = found.columns(len(self.names))
        features, kept = (
            [found.checked(columns[index], self.names[index]) for index in places]
            for places in (self.features, self.kept)
        )
        return found.of_columns(features), found.of_columns(kept).lines() if kept else None


def columns_of(header: Header, manifest: Manifest, *, keep: bool) -> Columns:
    """Return the columns of a file with this header; with `keep` the others are passed through.

    The numbers of a tensor `image` are the columns image.0, image.1 …, the last dimension fastest; without image.0 they
    are all columns, in order. Raises `Refused` if one is missing, or has another type than the model takes.
    """
    wanted = _names_of(manifest)
    names = _matched(header, wanted)
    if not _are_named(names, manifest):
        width, name = manifest.layout.width, manifest.features[0].name
        if len(names) != width:
            raise Refused(
                f"it has {counted(len(names), 'column')}, but a row of the model has {counted(width, 'number')}: "
                f"name these {name}.0 to {name}.{width - 1} to have others beside them"
            )
        return _typed(Columns(names, range(width), are_by_order=True), header, manifest)
    _check_once(names)
    known = set(wanted)
    others = [index for index, name in enumerate(names) if name not in known]
    return _typed(Columns(names, _places(names, wanted), others if keep else ()), header, manifest)


def columns_beside(header: Header, target: str, manifest: Manifest) -> tuple[Columns, int]:
    """Return the columns of the features in a file with labels, and the place of its column `target`.

    Columns are found by the names of the features, or of the numbers of a tensor as in `columns_of`. If no column has
    such a name and there are as many as features, they are taken in order. Raises `Refused` if they do not fit.
    """
    wanted, width = _names_of(manifest), manifest.layout.width
    names = _matched(header, [*wanted, target])
    _check_once(names)
    if target not in names:
        raise Refused(f"it has no column {target}; its columns are {listed(names)}")
    place = names.index(target)
    header.check_text(place)
    if _are_named(names, manifest) and not {*wanted}.isdisjoint(names):
        return _typed(Columns(names, _places(names, wanted, target)), header, manifest), place
    others = [index for index in range(len(names)) if index != place]
    if len(others) != width:
        noun = "number" if manifest.depth else "feature"
        raise Refused(
            f"it has {counted(len(others), 'column')} besides {target}, but the model takes {counted(width, noun)}: "
            f"it should have a column for each, by name ({wanted[0]} …), or else in order"
        )
    return _typed(Columns(names, others, are_by_order=True), header, manifest), place


def _matched(header: Header, wanted: Sequence[str]) -> Sequence[str]:
    """Return the names of the columns; one that no feature has is compared without the blanks around it."""
    known, without_blanks = set(wanted), {name.strip(): name for name in wanted}
    return [name if name in known else without_blanks.get(name.strip(), name.strip()) for name in header.names]


def _typed(columns: Columns, header: Header, manifest: Manifest) -> Columns:
    """Return the columns, whose types in Parquet are those that the model takes. Raises `Refused`."""
    for feature, place in enumerate(columns.features) if header.types else ():
        taker = manifest.features[0 if manifest.depth else feature]
        kind, name = header.types[place]
        if kind not in _kinds(taker):
            wanted = "text" if taker.datatype == "BYTES" else "booleans" if taker.datatype == "BOOL" else "numbers"
            raise Refused(
                f"its column {columns.names[place]} is {name}, but the model takes {wanted}: save it as {wanted}"
            )
    for place in columns.kept:
        header.check_text(place)
    return columns


def _kinds(feature: Feature) -> set[Kind]:
    """Return the kinds of the columns that a feature takes.

    A text takes truths, or numbers, if all its categories are such texts. Others may have lost digits, as 007 would.
    """
    if feature.datatype != "BYTES":
        return {"number", "boolean", "nothing"}
    if feature.categories and TRUTHS.issuperset(feature.categories):
        return {"text", "boolean", "nothing"}
    if feature.categories and all(map(WHOLE.fullmatch, feature.categories)):
        return {"text", "number", "nothing"}
    return {"text", "nothing"}


def _names_of(manifest: Manifest) -> Sequence[str]:
    """Return the name of each feature, or of each number of a tensor."""
    if manifest.depth:
        return [f"{manifest.features[0].name}.{index}" for index in range(manifest.layout.width)]
    return [feature.name for feature in manifest.features]


def _are_named(names: Sequence[str], manifest: Manifest) -> bool:
    """Return True if columns are found by name: the numbers of a tensor only if the first has its own."""
    return not manifest.depth or f"{manifest.features[0].name}.0" in names


def _places(names: Sequence[str], wanted: Sequence[str], target: str | None = None) -> Sequence[int]:
    """Return the place of each wanted column, none of which is the target. Raises `Refused` if one is missing."""
    places = {name: index for index, name in enumerate(names) if name != target}
    for name in wanted:
        if name not in places:
            known = set(wanted)
            near = nearest_name(name, [other for other in places if other not in known])
            hint = f"did you mean {near}?" if near else f"its columns are {listed([*places])}"
            raise Refused(f"it has no column {name}; {hint}")
    return [places[name] for name in wanted]


def _check_once(names: Sequence[str]) -> None:
    """Raise `Refused` if two columns have the same name."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise Refused(f"the header names {twice} twice")
