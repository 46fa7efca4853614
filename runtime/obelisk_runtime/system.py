"""The real clock and the real source of ids and randomness."""

import random  # noqa: TID251 - this is the adapter of IdSource
import secrets
import time

from obelisk_runtime.core.ids import ExecutionId, Instant, top_level_id


class SystemClock:
    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000)  # noqa: TID251 - this is the adapter of Clock

    def monotonic(self) -> int:
        return time.monotonic_ns()


class SystemIds:
    """Ids and random bytes from the operating system's generator; jitter needs no such care."""

    def execution_id(self, now: Instant) -> ExecutionId:
        return top_level_id(now // 1_000, secrets.randbits(80))

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def fraction(self) -> float:
        return random.random()  # noqa: S311 - spreads retries, decides nothing else
