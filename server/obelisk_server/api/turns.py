"""Lists take turns with what runs: however fast clients ask for them, most of the time is left to executions."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

LISTS_SHARE = 1 / 3
"""Of the time of the process, at most."""


class Turns:
    """One at a time; after one that took t, the next begins t * (1 / share - 1) later at the earliest."""

    def __init__(
        self,
        share: float = LISTS_SHARE,
        time: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`time` in seconds: the event loop's, if it is not given."""
        self._pause = 1 / share - 1
        self._time = time
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._next = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        time = self._time or asyncio.get_running_loop().time
        async with self._turn:
            wait = self._next - time()
            if wait > 0:
                await self._sleep(wait)
            begun = time()
            try:
                yield
            finally:
                ended = time()
                self._next = ended + (ended - begun) * self._pause
