"""Pickles that call a function when they are opened, as the pickle of an attacker does."""

import pickle
from collections.abc import Callable
from typing import Any


class Calling:
    """An object whose pickle calls a function, and becomes its result."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._called = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._called


def pickle_calling(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Return the pickle of such an object."""
    return pickle.dumps(Calling(function, *arguments))
