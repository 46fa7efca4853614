"""How long things take and how many there were, as plain counters: one costs less than a microsecond."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds of the classes of a duration."""


class Durations:
    """How many durations, in seconds, fell into each class of SECONDS; the last class has no bound."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0
        """All of them together."""

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, part: float) -> float | None:
        """The bound of the class in which this part of them ends; None if there are none."""
        return quantile(self.counts, part)


def quantile(counts: Sequence[int], part: float) -> float | None:
    """Of counts by class, as in `Durations`."""
    wanted = sum(counts) * part
    seen = 0
    for count, bound in zip(counts, (*SECONDS, SECONDS[-1]), strict=True):
        seen += count
        if count and seen >= wanted:
            return bound
    return None


@dataclass(slots=True)
class StoreFigures:
    """Since the store was opened."""

    writes: int = 0
    """Calls that write; many share a commit."""
    commits: Durations = field(default_factory=Durations)
    """From the beginning of a transaction to its end."""
    reads: Durations = field(default_factory=Durations)
