"""Histories that are replayed for somebody who looks: few at once, and not many that wait for it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from obelisk_runtime.core.errors import ObeliskError

AT_ONCE_MAX = 2
WAITING_MAX = 16


class TooManyReplays(ObeliskError):
    def __init__(self) -> None:
        super().__init__(
            f"{AT_ONCE_MAX} replays and looks of the debugger are under way and {WAITING_MAX} wait; try again later"
        )


class Room:
    """Of one process."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(AT_ONCE_MAX)
        self._inside = 0

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """As soon as there is one. Raises: TooManyReplays."""
        if self._inside >= AT_ONCE_MAX + WAITING_MAX:
            raise TooManyReplays
        self._inside += 1
        try:
            async with self._free:
                yield
        finally:
            self._inside -= 1
