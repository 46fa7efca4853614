"""When a request is tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from obelisk_runtime.registry.errors import RegistryFailure
from obelisk_runtime.registry.settings import RegistryLimits

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """Time and randomness for blocking code."""

    sleep: Callable[[float], None]
    monotonic: Callable[[], int]
    """Nanoseconds."""
    fraction: Callable[[], float]
    """Uniform in [0, 1)."""


def retrying(operation: Callable[[], T], limits: RegistryLimits, pace: Pace) -> T:
    """The operation until it succeeds, fails for good, or has failed too often. Raises: RegistryFailure."""
    attempt = 1
    while True:
        try:
            return operation()
        except RegistryFailure as failure:
            delay = delay_seconds(failure, attempt, pace.fraction(), limits)
            if delay is None:
                raise
        pace.sleep(delay)
        attempt += 1


def delay_seconds(failure: RegistryFailure, attempt: int, fraction: float, limits: RegistryLimits) -> float | None:
    """How long to wait after the `attempt`-th failure (from 1); None: do not try again."""
    if not failure.transient or attempt >= limits.attempts_max:
        return None
    backoff = limits.backoff_seconds * 2 ** (attempt - 1) * (0.5 + fraction / 2)
    asked = failure.retry_after_seconds
    if asked is None:
        return backoff
    return None if asked > limits.retry_after_seconds_max else max(asked, backoff)
