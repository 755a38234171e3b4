"""Bounds the size of an answer before the model runs, and the memory in which it is written."""

from collections.abc import Iterator
from functools import cached_property

from softmaxd.errors import AnswerTooLarge

PIECE = 64 * 1024  # numbers that become Python objects at a time


class AnswerLimits:
    """The most that one answer may have: numbers in JSON, and bytes of labels and binary outputs.

    They also bound the memory of a request: a model computes every class, whichever the client asks for.
    """

    def __init__(self, *, numbers: int, size: int) -> None:
        self.numbers = numbers
        self.size = size

    @cached_property
    def least(self) -> int:
        """An answer with at most so many bytes is within both limits: a number has one byte at least."""
        return min(self.numbers, self.size)

    def check(self, rows: int, *, numbers: int, size: int = 0) -> None:
        """Refuse an answer with so many numbers and bytes for each of its rows. Raises `AnswerTooLarge`."""
        if rows * numbers > self.numbers:
            raise _too_large(rows, numbers, "numbers", self.numbers, "max_answer_numbers")
        if rows * size > self.size:
            raise _too_large(rows, size, "bytes of labels and binary outputs", self.size, "max_answer_bytes")


def _too_large(rows: int, of_a_row: int, unit: str, limit: int, setting: str) -> AnswerTooLarge:
    return AnswerTooLarge(
        f"The answer to {rows} {'row' if rows == 1 else 'rows'} would have up to {rows * of_a_row} {unit}, more than "
        f"the {limit} of the setting {setting}; the most rows of this request that fit: {limit // of_a_row}"
    )


def pieces(rows: int, classes: int) -> Iterator[slice]:
    """Cut the rows of an answer into pieces of about `PIECE` numbers."""
    step = max(1, PIECE // classes)
    return (slice(start, start + step) for start in range(0, rows, step))
