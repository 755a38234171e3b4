"""The failures of a call, each kind with an exception of its own; all are below `ClientError`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

ROWS_THAT_FIT = re.compile(r"rows of this request that fit: (\d+)|more than the (\d+) that one request may have")

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a body: its type (docs/api.md lists them), its place, and the expected value."""

    type: str
    place: Place
    message: str

    def __str__(self) -> str:
        """Return one line: `instances[0].x1: Input should be a valid number`."""
        parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place]
        place = "".join(parts).removeprefix(".")
        return f"{place}: {self.message}" if place else self.message


class ClientError(Exception):
    """A call that failed.

    `status` is that of the response, or None if there is none; `problems` are those of the body that the service
    names; `place` is the place of the first one, such as `("instances", 3, "x1")`, or empty.
    """

    def __init__(self, message: str, *, status: int | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.problems = tuple(problems)

    @property
    def place(self) -> Place:
        """The place of the first problem."""
        return self.problems[0].place if self.problems else ()


class InvalidRequest(ClientError):
    """The service cannot answer this request, or the client cannot send it: another one is needed."""


class Unauthorized(ClientError):
    """401: the service needs a key, or does not know this one."""


class Forbidden(ClientError):
    """403: the key is not for this operation or this model."""


class NotFound(ClientError):
    """404: there is no such model, version or path."""


class TooLarge(ClientError):
    """413: the body or its answer is too large; `rows` is the number that fits, if the service says it."""

    @property
    def rows(self) -> int | None:
        """The most rows that fit, or None."""
        found = ROWS_THAT_FIT.search(self.message)
        return int(found[1] or found[2]) if found else None


class Busy(ClientError):
    """429, also after retries: more is waiting than the service takes."""


class Unavailable(ClientError):
    """503, also after retries: the service has no model yet, or is shutting down."""


class TimedOut(ClientError):
    """504, or no response within the client's own timeout."""


class ServiceFailed(ClientError):
    """5xx, or a response that is none of softmaxd's."""


class ConnectionLost(ClientError):
    """No connection, or one that broke before the response was complete, also after retries."""


KINDS: dict[int, type[ClientError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    413: TooLarge,
    429: Busy,
    503: Unavailable,
    504: TimedOut,
}
FIRST_CLIENT_ERROR, FIRST_SERVER_ERROR = 400, 500


def refusal(status: int, body: bytes) -> ClientError:
    """Return the exception of a response that is no success, with the service's own words."""
    other = InvalidRequest if FIRST_CLIENT_ERROR <= status < FIRST_SERVER_ERROR else ServiceFailed
    kind = KINDS.get(status, other)
    try:
        answer = json.loads(body)
        detail = answer["detail"] if "detail" in answer else answer["error"]
        if isinstance(detail, str):
            return kind(detail, status=status)
        problems = [Problem(each["type"], tuple(each["loc"]), each["msg"]) for each in detail]
    except (ValueError, LookupError, TypeError):  # of a proxy, or another program
        return kind(f"The service answered with status {status}", status=status)
    return kind("; ".join(map(str, problems)), status=status, problems=problems)


def moved(error: ClientError, rows: int) -> ClientError:
    """Return the error of a part of a table, with its places counted in the whole table."""
    if not rows or not any(_names_a_row(problem.place) for problem in error.problems):
        return error
    problems = [
        Problem(each.type, ("instances", int(each.place[1]) + rows, *each.place[2:]), each.message)
        if _names_a_row(each.place)
        else each
        for each in error.problems
    ]
    return type(error)("; ".join(map(str, problems)), status=error.status, problems=problems)


def _names_a_row(place: Place) -> bool:
    return len(place) > 1 and place[0] == "instances" and isinstance(place[1], int)
