"""Time slices: guests are interrupted at ticks of wasmtime's epoch."""

import threading
import time
from collections.abc import Callable

TICK_SECONDS = 0.010
PAUSE_SECONDS = 0.02
"""How long a guest that used up its slice leaves the event loop to others: as long as a slice may last."""
SLICE_TICKS = 2
"""A guest runs for one to two ticks before it yields."""
_IDLE_TICKS_MAX = 10


class Ticker:
    """A thread that advances the epoch while guests run, and rests while none does.

    `enter` and `leave` are called on the event loop only.
    """

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self.ticks = 0
        self._running = 0
        self._resting = True
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def enter(self) -> None:
        """A slice begins."""
        self._running += 1
        if self._resting:
            self._resting = False
            self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._tick, name="epoch-ticker", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        """A slice has ended."""
        self._running -= 1

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _tick(self) -> None:
        idle = 0
        while not self._closed:
            time.sleep(TICK_SECONDS)
            self._advance()
            self.ticks += 1
            idle = 0 if self._running else idle + 1
            if idle >= _IDLE_TICKS_MAX:
                idle = 0
                self._rest()

    def _rest(self) -> None:
        self._wake.clear()
        self._resting = True
        # Whoever entered before it saw `_resting` is seen here.
        if self._running:
            self._resting = False
        elif not self._closed:
            self._wake.wait()
