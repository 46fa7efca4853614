"""Requests that wait: for an execution to finish, or for a list to grow."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import Changed
from obelisk_server.durations import NotADuration, parse_duration

WAIT_SECONDS_MAX = 300.0
LOOK_AGAIN_SECONDS = 1.0
"""Changes are hints that may be lost: a waiting request looks by itself this often."""

T = TypeVar("T")


class InvalidWait(ObeliskError):
    def __init__(self, found: object) -> None:
        super().__init__(
            f'wait is {found!r}; expected seconds, or a duration such as "10s", at most {WAIT_SECONDS_MAX:.0f} s'
        )


def wait_seconds(wait: float | str | None) -> float:
    """From seconds, as a number or as text, or a duration. Raises: InvalidWait."""
    match wait:
        case None:
            return 0.0
        case str():
            try:
                seconds = parse_duration(wait if wait[-1:].isalpha() else wait + "s") / 1_000_000
            except NotADuration:
                raise InvalidWait(wait) from None
        case _:
            seconds = wait
    if not 0 <= seconds <= WAIT_SECONDS_MAX:
        raise InvalidWait(wait)
    return seconds


class Waits:
    """Every request that waits now; all of them end at once when the server stops."""

    def __init__(self) -> None:
        self._scopes: set[asyncio.Timeout] = set()
        self._watchers: dict[ExecutionId, set[asyncio.Event]] = {}
        self._stopped = False

    async def at_most(self, seconds: float, awaitable: Awaitable[T]) -> T | None:
        """The value, or None after this long. What it waits for is not cancelled by a client that went away."""
        scope = asyncio.timeout(0 if self._stopped else seconds)
        try:
            async with scope:
                self._scopes.add(scope)
                return await awaitable
        except TimeoutError:
            if not scope.expired():
                raise
            return None
        finally:
            self._scopes.discard(scope)

    async def until(
        self, seconds: float, execution_id: ExecutionId, look: Callable[[], Awaitable[T | None]]
    ) -> T | None:
        """What `look` finds, asked again after each change of the execution; None after this long."""
        changed = asyncio.Event()
        watchers = self._watchers.setdefault(execution_id, set())
        watchers.add(changed)
        try:
            return await self.at_most(seconds, self._look(look, changed))
        finally:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(execution_id, None)

    async def _look(self, look: Callable[[], Awaitable[T | None]], changed: asyncio.Event) -> T:
        while True:
            changed.clear()
            found = await look()
            if found is not None:
                return found
            await self.at_most(LOOK_AGAIN_SECONDS, changed.wait())

    def on_change(self, changed: Changed) -> None:
        """The listener for `Signals.subscribe`."""
        self._wake(changed.executions)

    def _wake(self, executions: frozenset[ExecutionId]) -> None:
        if not self._watchers:
            return
        for execution_id in executions & self._watchers.keys():
            for watcher in self._watchers[execution_id]:
                watcher.set()

    def on_logs(self, executions: frozenset[ExecutionId]) -> None:
        """The listener for `Service.subscribe_logs`."""
        self._wake(executions)

    def stop(self) -> None:
        """End every wait now, and those to come at once."""
        self._stopped = True
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(now)
