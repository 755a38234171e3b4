"""The columns of a table: which are features, in which order, which has the labels, and which are passed through."""

from collections.abc import Sequence
from dataclasses import dataclass

from softmaxd.errors import Refused
from softmaxd.models.by_name import nearest_name
from softmaxd.models.manifest import Manifest
from softmaxd.tables.rows import Rows, counted


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
        if not self.kept and list(self.features) == list(range(len(self.names))):
            return found, None
        columns = found.columns(len(self.names))
        features = found.of_columns([columns[index] for index in self.features])
        return features, found.of_columns([columns[index] for index in self.kept]).lines() if self.kept else None


def columns_of_tensor(names: Sequence[str], numbers: int) -> Columns:
    """Return the columns of a file whose rows are the numbers of a tensor, the last dimension fastest.

    Raises `Refused` if it has others.
    """
    if len(names) != numbers:
        raise Refused(f"it has {len(names)} columns, but a row of the model has {numbers} numbers")
    return Columns(names, range(numbers), are_by_order=True)


def columns_of(names: Sequence[str], features: Sequence[str], *, keep: bool) -> Columns:
    """Return the columns of a file whose header has these names. Raises `Refused` if a feature is missing."""
    check_names(names)
    others = [name for name in names if name not in features]
    for feature in features:
        if feature not in names:
            near = nearest_name(feature, others)
            raise Refused(f"it has no column {feature}{f'; did you mean {near}?' if near else _listed(names)}")
    kept = [names.index(name) for name in others] if keep else []
    return Columns(names, [names.index(feature) for feature in features], kept)


def columns_beside(names: Sequence[str], target: str, manifest: Manifest) -> tuple[Columns, int]:
    """Return the columns of the features in a file with labels, and the place of its column `target`.

    Columns are found by the names of the features. If no column has such a name and there are as many as features, they
    are taken in order, and so are the numbers of a tensor. Raises `Refused` if they do not fit.
    """
    check_names(names)
    if target not in names:
        raise Refused(f"it has no column {target}{_listed(names)}")
    features = [feature.name for feature in manifest.features]
    others = [name for name in names if name != target]
    if not manifest.depth and not set(features).isdisjoint(others):
        columns_of(others, features, keep=False)
        return Columns(names, [names.index(name) for name in features]), names.index(target)
    width = manifest.layout.width
    if len(others) != width:
        noun, cure = ("number", "in order") if manifest.depth else ("feature", "by name, or else in order")
        raise Refused(
            f"it has {counted(len(others), 'column')} besides {target}, but the model takes {counted(width, noun)}: "
            f"it should have a column for each, {cure}"
        )
    return Columns(names, [names.index(name) for name in others], are_by_order=True), names.index(target)


def check_names(names: Sequence[str]) -> None:
    """Raise `Refused` if two columns have the same name."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise Refused(f"the header names {twice} twice")


def _listed(names: Sequence[str]) -> str:
    return f"; its columns are {', '.join(names)}"
