"""What the calls of one engine share: who polls, the epoch, and the way from a store back to its call."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from obelisk_runtime.engine.native import Address
from obelisk_runtime.engine.ticker import Ticker

if TYPE_CHECKING:
    from obelisk_runtime.engine.call import FiberCall


class Fibers:
    """Guests alive in one engine, on one event loop."""

    def __init__(self, engine: Address, advance_epoch: Callable[[], None], worker_threads: int, *, fuel: bool) -> None:
        self.engine = engine
        self.fuel = fuel
        self.ticker = Ticker(advance_epoch)
        self.by_context: dict[Address, FiberCall] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workers = ThreadPoolExecutor(worker_threads, thread_name_prefix="guest")

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the first call; the others are on the same."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def run_in_thread(self, slice_: Callable[[], bool], after: Callable[[bool], None]) -> None:
        """Run a slice in a worker thread, then `after` with its result on the loop."""
        loop = self.loop
        self._workers.submit(lambda: loop.call_soon_threadsafe(after, slice_()))

    async def close(self) -> None:
        """Drop every call and wait for the threads."""
        for call in list(self.by_context.values()):
            call.drop()
        self._workers.shutdown()
        # What the last slices of the workers left for the loop releases their calls.
        await asyncio.sleep(0)
        assert not self.by_context
        self.ticker.close()
