"""A histogram as plain numbers."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise


class Histogram:
    """Counts values by the lowest bound that they do not exceed, and sums them.

    `counts` has one entry more than `bounds`, for values above all of them.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add_each(self, values: Sequence[float]) -> None:
        """Add one or more values; those that are alike take no longer than one."""
        place = bisect_left(self.bounds, min(values))
        if place == bisect_left(self.bounds, max(values)):
            self.counts[place] += len(values)
        else:
            for value in values:
                self.counts[bisect_left(self.bounds, value)] += 1
        self.total += sum(values)

    def add_many(self, at_most: Sequence[int], number: int, total: float) -> None:
        """Add `number` values with this sum; `at_most[i]` of them do not exceed bound i."""
        counts = (more - fewer for fewer, more in pairwise((0, *at_most, number)))
        self.counts = [mine + new for mine, new in zip(self.counts, counts, strict=True)]
        self.total += total

    def merge(self, other: "Histogram") -> None:
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, int]]:
        """Return for each bound how many values do not exceed it: the cumulative buckets of Prometheus."""
        pairs, count = [], 0
        for bound, more in zip((*self.bounds, float("inf")), self.counts, strict=True):
            count += more
            pairs.append(("+Inf" if bound == float("inf") else str(float(bound)), count))
        return pairs
