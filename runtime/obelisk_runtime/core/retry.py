"""When a failed attempt of an activity is tried again."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from obelisk_runtime.core.ids import Instant

SECOND = 1_000_000
LOSSES_MAX = 1_000
"""Losing an executor is not the author's fault: a large budget of its own."""


class FailureClass(Enum):
    """What went wrong with an attempt that was not lost."""

    ERR = "err"
    TRAP = "trap"
    """Running out of fuel or memory included."""
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Attempt k + 1 waits `backoff * factor^(k-1)`, at most `backoff_max`, give or take `jitter`. Microseconds."""

    max: int = 5
    """How many times a failed or timed-out attempt is repeated, of all classes that have no budget of their own."""
    errs_max: int | None = None
    traps_max: int | None = None
    timeouts_max: int | None = None
    """Budgets of one class; None: it shares `max`."""
    lost_max: int = LOSSES_MAX
    """How many times an attempt that was lost with its executor is repeated; at most LOSSES_MAX."""
    backoff: int = SECOND // 10
    factor: float = 2.0
    backoff_max: int = 60 * SECOND
    jitter: float = 0.2
    """A share of the wait, 0 to 1: the wait is multiplied by something in [1 - jitter, 1 + jitter)."""

    final_errors: frozenset[str] = frozenset()
    """Cases of an err (or its whole text, if it is one) that are never tried again, in snake_case or kebab-case."""

    def wait(self, failures: int, fraction: float) -> int:
        """Microseconds to wait after this many failures (at least 1); `fraction` is uniform in [0, 1)."""
        wait = min(self.backoff * self._growth(failures - 1), float(self.backoff_max))
        return int(wait * (1 + self.jitter * (2 * fraction - 1)))

    def _growth(self, steps: int) -> float:
        try:
            return self.factor**steps
        except OverflowError:
            return float(self.backoff_max)

    def due(
        self, latest: FailureClass, failures: Mapping[FailureClass, int], now: Instant, fraction: float
    ) -> Instant | None:
        """When to try again after these failures, the latest included; None: the budget of its class is used up."""
        budgets = {
            FailureClass.ERR: self.errs_max,
            FailureClass.TRAP: self.traps_max,
            FailureClass.TIMEOUT: self.timeouts_max,
        }
        own = budgets[latest]
        used = failures[latest] if own is not None else sum(failures[c] for c, own in budgets.items() if own is None)
        if used > (self.max if own is None else own):
            return None
        return Instant(now + self.wait(sum(failures.values()), fraction))
