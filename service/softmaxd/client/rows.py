"""Lists, arrays, dictionaries of columns and data frames as rows that can be cut and written as JSON."""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from softmaxd.client.errors import InvalidRequest

MISSING_TYPES = {"NAType", "NaTType"}  # of pandas, which is not imported for it
TIMES = "mM"  # kinds of NumPy arrays whose `tolist` makes numbers of times
UNWRITABLE = TIMES + "c"  # the largest complex numbers are their own `tolist`


@runtime_checkable
class DataFrame(Protocol):
    """A table of pandas or polars: named columns, each with `to_list`."""

    @property
    def columns(self) -> Any: ...  # an Index in pandas, a list in polars

    def __getitem__(self, name: Any, /) -> Any: ...  # its types differ between the two


Instances = NDArray[Any] | Sequence[Any] | Mapping[str, Any] | DataFrame


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows in one of the two forms of /predict; `cut(start, stop)` gives some of them."""

    count: int
    width: int  # values in the first row, about
    cut: Callable[[int, int], list[Any]]


def as_rows(instances: Instances) -> Rows:
    """Return the rows of an array, of a list of rows, of a mapping of columns, or of a data frame.

    Raises:
        InvalidRequest: the columns differ in length or have one name, or there are no rows to be seen.
    """
    if isinstance(instances, np.ndarray):
        return _of_array(instances)
    if isinstance(instances, Mapping):
        return _of_columns({name: _listed(column) for name, column in _named(instances).items()})
    if isinstance(instances, Sequence) and not isinstance(instances, str | bytes):
        first = instances[0] if len(instances) else ()
        return Rows(len(instances), np.size(first), lambda start, stop: list(instances[start:stop]))
    if isinstance(instances, DataFrame):
        return _of_columns({name: list(map(_or_null, column.to_list())) for name, column in _named(instances).items()})
    raise InvalidRequest(f"instances must be rows or a table, not {type(instances).__name__}")


def as_numbers(values: Any, features: Sequence[str]) -> NDArray[Any]:
    """Return numbers as an array [rows, …]; the columns of a table in the order of these features.

    Raises:
        InvalidRequest: some values are no numbers, or missing; or a table has other columns.
    """
    if not isinstance(values, Mapping | DataFrame):
        return _numbers(values, "features")
    columns = _named(values)
    if set(columns) != set(features):
        missing, others = set(features) - set(columns), set(columns) - set(features)
        raise InvalidRequest(
            f"The columns must be the features; missing: {_listing(missing)}; not one: {_listing(others)}"
        )
    return np.column_stack([_numbers(columns[name], f"column {name}") for name in features])


def body_of(fields: Mapping[str, Any]) -> bytes:
    """Return a request's body: numbers with the fewest digits that read back the same."""
    try:
        return json.dumps(fields, default=_plain, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The values cannot be written as JSON: {error}") from error


def _of_array(array: NDArray[Any]) -> Rows:
    if array.ndim < 2:  # noqa: PLR2004 - rows and columns
        raise InvalidRequest(
            f"An array must have rows and columns, not the shape {array.shape}; of one row: array[None]"
        )
    _check_no_times(array)
    return Rows(len(array), array[:1].size, lambda start, stop: list(array[start:stop].tolist()))


def _numbers(values: Any, place: str) -> NDArray[Any]:
    if np.ma.is_masked(values):
        raise InvalidRequest(f"{place} must be numbers, and some are masked")
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise InvalidRequest(f"{place} must be numbers, not {array.dtype}")
    return array


def _check_no_times(array: NDArray[Any]) -> None:
    if array.dtype.kind in TIMES:
        raise InvalidRequest(f"An array must have numbers, texts or booleans, not {array.dtype}")


def _named(table: Mapping[Any, Any] | DataFrame) -> dict[str, Any]:
    """Return the columns of a table by name."""
    names = list(table if isinstance(table, Mapping) else table.columns)
    twice = [name for name, count in Counter(map(str, names)).items() if count > 1]
    if twice:
        raise InvalidRequest(f"Each column must have a name of its own; given twice: {_listing(twice)}")
    return {str(name): table[name] for name in names}


def _listing(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _of_columns(columns: Mapping[str, list[Any]]) -> Rows:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidRequest(f"The columns must have the same number of rows, not {lengths}")

    def cut(start: int, stop: int) -> list[Any]:
        parts = [column[start:stop] for column in columns.values()]
        return [dict(zip(columns, row, strict=True)) for row in zip(*parts, strict=True)]

    return Rows(next(iter(lengths.values())), len(columns), cut)


def _listed(column: Any) -> list[Any]:
    if isinstance(column, str | bytes) or not hasattr(column, "__len__") or not np.ndim(column):
        raise InvalidRequest("A mapping must have a list of values for each column; of one row: [row]")
    if not isinstance(column, np.ndarray):
        return list(column)
    _check_no_times(column)
    return list(column.tolist())


def _or_null(value: Any) -> Any:
    """Return None for the values by which data frames say that one is missing."""
    is_missing = type(value).__name__ in MISSING_TYPES or (isinstance(value, float) and math.isnan(value))
    return None if is_missing else value


def _plain(value: Any) -> Any:
    """Return the Python value of a NumPy number or array."""
    if isinstance(value, np.longdouble):
        return float(value)  # its `tolist` gives itself
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind not in UNWRITABLE:
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no number, text or boolean")
