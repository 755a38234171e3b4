"""Bounds the memory of the bodies, features and answers that one process holds at the same time."""

from softmaxd.errors import Overloaded

SMALL_BYTES = 64 * 1024
SHARE_OF_SMALL = 0.25  # of the budget: small bodies and answers find room beside large ones


class Budget:
    """The bytes that all requests of one process may hold together."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held = 0


class Share:
    """The part of a budget that one connection holds: for a body that arrives, its answer, and unread bytes of that."""

    __slots__ = ("_budget", "held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def take(self, size: int) -> None:
        """Hold so many bytes more. Raises `Overloaded` if others hold too many; a request alone always gets them."""
        budget = self._budget
        most = budget.max_bytes if size <= SMALL_BYTES else budget.max_bytes * (1 - SHARE_OF_SMALL)
        if budget.held > self.held and budget.held + size > most:
            raise Overloaded(
                f"The requests in flight take all of the {budget.max_bytes} bytes of the setting max_inflight_bytes; "
                "try again later"
            )
        self.held += size
        budget.held += size

    def keep(self, size: int) -> None:
        """Hold exactly so many bytes from now on."""
        self._budget.held += size - self.held
        self.held = size
