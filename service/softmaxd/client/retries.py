"""Requests repeated after a 429, a 503 or a lost connection, within a budget.

Every request of this client may be sent twice: it reads, or it computes an answer and changes nothing.
"""

import random
import threading
from dataclasses import dataclass

from softmaxd.client.errors import Busy, ClientError, ConnectionLost, Unavailable, refusal
from softmaxd.client.steps import Call, Reply, Send, Wait

SUCCESS = range(200, 300)
WORTH_A_RETRY = (Busy, Unavailable, ConnectionLost)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is repeated, and after how many seconds.

    Retry i, from 0, waits between half and all of `first_wait` · 2^i seconds, or as long as `Retry-After` asks and up
    to half more. A service that asks for more than `longest_wait` is not waited for. All requests of a client share a
    budget, so that clients do not keep an overloaded service down: it holds `budget` retries, and each request adds
    `earned` of one.
    """

    most: int = 6
    first_wait: float = 0.1
    longest_wait: float = 30.0
    budget: float = 50.0
    earned: float = 0.1


class Budget:
    """The retries that a client has left; threads may share it."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._left = retries.budget
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a request."""
        with self._lock:
            self._left = min(self._retries.budget, self._left + self._retries.earned)

    def spend(self) -> bool:
        """Take a retry, and return True, or return False if there is none."""
        with self._lock:
            has_one = self._left >= 1
            self._left -= has_one
        return has_one


def repeated(request: Send, retries: Retries, budget: Budget) -> Call[Reply]:
    """Return the successful response to a request, sent again where that may help.

    Raises:
        ClientError: the last failure.
    """
    budget.earn()
    retry = 0
    while True:
        asked = 0.0
        try:
            reply: Reply = yield request
            if reply.status in SUCCESS:
                return reply
            asked = seconds_of(reply.headers.get("retry-after", ""))
            failure = refusal(reply.status, reply.content)
        except ConnectionLost as error:
            failure = error
        if not _may_repeat(failure, retry, asked, retries) or not budget.spend():
            raise failure
        yield Wait(pause(retry, asked, retries))
        retry += 1


def pause(retry: int, asked: float, retries: Retries) -> float:
    """Return the seconds before a retry, by chance, so that clients that failed together come back apart."""
    own = min(retries.first_wait * 2.0**retry, retries.longest_wait)
    share = random.random()  # noqa: S311 - no secret
    return max(own * (1 + share) / 2, asked * (1 + share / 2))


def seconds_of(header: str) -> float:
    """Return the seconds of a `Retry-After`; 0 for none, and for a date, which softmaxd does not send."""
    return float(header) if header.isascii() and header.isdigit() else 0.0


def _may_repeat(failure: ClientError, retry: int, asked: float, retries: Retries) -> bool:
    return isinstance(failure, WORTH_A_RETRY) and retry < retries.most and asked <= retries.longest_wait
