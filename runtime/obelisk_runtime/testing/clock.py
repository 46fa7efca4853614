"""Time and ids that a test decides: `ports.clock` without a real clock and without real randomness."""

import asyncio
import heapq
import random  # noqa: TID251 - seeded: the seed reproduces the run
from itertools import count

from obelisk_runtime.core.ids import ExecutionId, Instant, top_level_id

SECOND = 1_000_000
START = Instant(1_750_000_000 * SECOND)


class VirtualClock:
    """A clock that stands still until it is moved; then it wakes the sleepers whose time has come, earliest first."""

    def __init__(self, start: Instant = START) -> None:
        self._now = start
        self._elapsed = 0
        self._sleepers: list[tuple[Instant, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> Instant:
        return self._now

    def monotonic(self) -> int:
        return self._elapsed

    async def sleep_until(self, instant: Instant) -> None:
        if instant <= self._now:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (instant, next(self._order), woken))
        await woken

    @property
    def next_wake(self) -> Instant | None:
        """When the earliest sleeper wakes; None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def set(self, instant: Instant) -> None:
        """Jump to `instant`, which may be in the past; sleepers run on the next turns of the loop."""
        self._elapsed += max(0, instant - self._now) * 1000
        self._now = instant
        while (wake := self.next_wake) is not None and wake <= instant:
            heapq.heappop(self._sleepers)[2].set_result(None)

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
