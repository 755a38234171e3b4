"""A loaded model, as it is served."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from softmaxd.models.manifest import Manifest
from softmaxd.models.outputs import Features, Outputs

Settle = Callable[[Outputs | Exception], None]  # hears of an outcome


class Waiting(Protocol):
    """Rows that wait for the engine; once abandoned, their outcome is not wanted any more."""

    abandoned: bool


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A loaded model: features [n, features] of the manifest's type in, float32 outputs of n rows each out.

    `predict` joins the rows of concurrent requests, and so does `submit`, whose rows run at the next `flush`; `run`
    runs these rows now and by themselves.
    """

    manifest: Manifest
    provider: str
    run: Callable[[Features], Outputs]
    predict: Callable[[Features], Awaitable[Outputs]]
    submit: Callable[[Features, Settle], Waiting]
    flush: Callable[[], None]
