"""The inputs of a graph that takes a table: numbers, booleans and texts, each row in several tensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from softmaxd.adding.graphs import OUR_PREFIX, Input
from softmaxd.models.features import INPUT, TABLE_DTYPES, Datatype
from softmaxd.models.manifest import ATYPICALITY, OUTPUTS

TAKEN = {*OUTPUTS, ATYPICALITY}  # names that no input may have


@dataclass(frozen=True)
class Table:
    """The inputs of a graph that takes each row in several of them, or has texts: each has one column or more.

    Its rows are records with a field [columns] for each input, by its name.
    """

    inputs: tuple[Input, ...]

    @property
    def rows(self) -> int | None:
        """The number of rows that the graph takes; None if it takes any number."""
        return next((source.rows for source in self.inputs if source.rows is not None), None)

    @property
    def datatype(self) -> Datatype:
        """The type of features without their own; each has one."""
        return "FP32"

    @cached_property
    def columns(self) -> list[tuple[Input, int]]:
        """The input of each feature, and its column there."""
        return [(source, column) for source in self.inputs for column in range(source.width)]

    @property
    def text_features(self) -> list[int]:
        """The indices of the columns that are texts."""
        return [index for index, (source, _) in enumerate(self.columns) if source.column_type == "BYTES"]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a row."""
        return np.dtype([(each.name, TABLE_DTYPES[each.column_type], (each.width,)) for each in self.inputs])

    @cached_property
    def served_names(self) -> dict[str, str]:
        """The name that each input is served by: its own, unless it is a name of an output or of ours."""
        if len(self.inputs) == 1:
            return {self.inputs[0].name: INPUT}
        own = {each.name for each in self.inputs}
        served = {}
        for each in self.inputs:
            name = each.name
            while name in TAKEN or name.startswith(OUR_PREFIX) or (name != each.name and name in own):
                name = f"{name.removeprefix(OUR_PREFIX)}_"
            served[each.name] = name
        return served

    def fed(self, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return rows as the graph takes them, after `rewiring.free_rows`."""
        return {each.name: np.ascontiguousarray(rows[each.name]) for each in self.inputs}

    def served(self, rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Return rows as the graph that is served takes them."""
        return {self.served_names[name]: columns for name, columns in self.fed(rows).items()}

    def with_values(self, rows: npt.NDArray[Any], values: Mapping[int, object]) -> npt.NDArray[Any]:
        """Return the rows with other values in some columns, by the index of the feature."""
        rows = rows.copy()
        for index, value in values.items():
            source, column = self.columns[index]
            rows[source.name][:, column] = value
        return rows


Source = Input | Table
