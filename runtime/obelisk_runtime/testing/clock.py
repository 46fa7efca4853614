"""Time and ids that a test decides: `ports.clock` without a real clock and without real randomness."""

import random  # noqa: TID251 - seeded: the seed reproduces the run

from obelisk_runtime.core.ids import ExecutionId, Instant, top_level_id

SECOND = 1_000_000
START = Instant(1_750_000_000 * SECOND)


class VirtualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: Instant = START) -> None:
        self._now = start
        self._elapsed = 0

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> int:
        return self._elapsed

    def set(self, instant: Instant) -> None:
        """Jump to `instant`, which may be in the past."""
        self._elapsed += max(0, instant - self._now) * 1000
        self._now = instant

    def advance(self, microseconds: int) -> None:
        self.set(Instant(self._now + microseconds))


class SeededIds:
    """Ids, random bytes and jitter in a sequence that the seed decides."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def execution_id(self, now: Instant) -> ExecutionId:
        return top_level_id(now // 1000, self._random.getrandbits(80))

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def fraction(self) -> float:
        return self._random.random()
