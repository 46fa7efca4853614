"""When a request is tried again."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from obelisk_runtime.registry.errors import Abandoned, RegistryFailure
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
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits for the work any more."""

    def check(self) -> None:
        """Raises: Abandoned."""
        if self.stopped.is_set():
            raise Abandoned("nobody waits for the registry any more")


def real_pace() -> Pace:
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        stopped.wait(seconds)

    return Pace(sleep, time.monotonic_ns, lambda: secrets.randbelow(1 << 20) / (1 << 20), stopped)


def retrying(operation: Callable[[], T], limits: RegistryLimits, pace: Pace) -> T:
    """The operation until it succeeds, fails for good, or has failed too often. Raises: RegistryFailure."""
    attempt = 1
    while True:
        pace.check()
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
