"""Time and randomness from outside. Nothing but adapters may know the real ones."""

from typing import Protocol

from obelisk_runtime.core.ids import ExecutionId, Instant


class Clock(Protocol):
    def now(self) -> Instant:
        """Wall time, microseconds since the epoch. May go backwards."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds since some fixed instant, never going back."""
        ...


class IdSource(Protocol):
    def execution_id(self, now: Instant) -> ExecutionId:
        """A new top-level id."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Fit for secrets."""
        ...

    def fraction(self) -> float:
        """Uniform in [0, 1), for jitter."""
        ...
