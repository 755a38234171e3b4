"""Numbers of JSON in the type of a model's features."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from softmaxd.errors import InvalidBody, Problem
from softmaxd.models.features import DTYPES, Datatype
from softmaxd.models.outputs import Features

MAX_SAFE_INTEGER = 2**53 - 1  # JSON's reader makes float64 of all numbers, and rounds larger integers


def to_type(numbers: object, datatype: Datatype) -> tuple[Features, npt.NDArray[np.bool_]]:
    """Return finite numbers [rows, features] in a type, and which of them the type can hold."""
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        with np.errstate(over="ignore"):  # beyond float32 becomes inf
            features = np.array(numbers, dtype=dtype)
        return features, np.isfinite(features)
    limits = np.iinfo(dtype)
    values = np.array(numbers, dtype=np.float64)
    fit = (
        (values == np.rint(values))
        & (values >= max(limits.min, -MAX_SAFE_INTEGER))
        & (values <= min(limits.max, MAX_SAFE_INTEGER))
    )
    return np.where(fit, values, 0).astype(dtype), fit


def misfit(number: float, place: Sequence[str | int], datatype: Datatype) -> InvalidBody:
    """Return the error for a number that the type cannot hold."""
    dtype = DTYPES[datatype]
    if dtype.kind == "f":
        return invalid("finite_number", place, "Input should be a finite number, also as float32")
    limits = np.iinfo(dtype)
    kind = "int_range" if number.is_integer() else "int_type"
    expected = f"a whole number from {limits.min} to {limits.max}, as the model takes {datatype}"
    if kind == "int_range" and limits.min <= number <= float(limits.max):
        expected = f"less than 2**53 in size, as JSON rounds from there; /v2 takes all of {datatype} as bytes"
    return invalid(kind, place, f"Input should be {expected}")


def invalid(kind: str, loc: Sequence[str | int], message: str) -> InvalidBody:
    """Return the error for one problem of a body."""
    return InvalidBody(Problem(type=kind, loc=loc, msg=message))
