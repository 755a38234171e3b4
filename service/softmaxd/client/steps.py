"""The steps that a call asks for, so that one description of it serves blocking and asynchronous clients."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request: the step is answered with its `Reply`, or a `ClientError` is thrown in."""

    method: str
    path: str
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait; the step is answered with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


# The answer to a step depends on the step, which a generator's type cannot say.
Call = Generator[Send | Wait, Any, T]
