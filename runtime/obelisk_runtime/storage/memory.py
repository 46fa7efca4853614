"""The store in plain dictionaries: the reference that other stores are compared with. Nothing outlives the process.

`Tables` is the whole model, synchronous; `MemoryStore` gives it the order and the timing of a store on a disk: writes
wait in a queue, are applied together on the next turn of the loop, and are acknowledged after that.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import (
    DelayId,
    Digest,
    ExecutionId,
    ExecutorId,
    Instant,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.figures import StoreFigures
from obelisk_runtime.ports.store import Added, Change, Counts, Failure, Grafted, OldTrees, VersionCount
from obelisk_runtime.storage import memory_overview
from obelisk_runtime.storage.memory_tables import Tables, bounded

T = TypeVar("T")


class MemoryStore:
    """`ports.store.Store` in this process's memory."""

    def __init__(self) -> None:
        self._tables = Tables()
        self._writes: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._listeners: list[Callable[[port.Changed], None]] = []
        self._closed = False
        self.figures = StoreFigures()
        """Nothing is measured: nothing takes time."""

    # Writes: queued, applied together, acknowledged

    def _write(self, change: Callable[[], T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if self._closed:
            done.set_exception(port.StoreUnavailable("the store is closed"))
            return done
        if not self._writes:
            loop.call_soon(self._apply)
        self._writes.append((change, done))
        return done

    def _apply(self) -> None:
        while self._writes:
            change, done = self._writes.popleft()
            _settle(change, done)
        touched, self._tables.touched = self._tables.touched, set()
        if touched:
            self._tables.mark(touched)
            changed = port.Changed(frozenset(touched), pending=True, sequence=self._tables.sequence)
            for listener in tuple(self._listeners):  # before any other turn of the loop: `sequence` has moved
                listener(changed)

    def create(self, new: port.NewExecution) -> Awaitable[port.CreateOutcome]:
        return self._write(partial(self._tables.create, new))

    def create_all(self, new: Sequence[port.NewExecution]) -> Awaitable[Sequence[port.CreateOutcome]]:
        return self._write(partial(self._tables.create_all, tuple(new)))

    def append(self, append: port.Append) -> Awaitable[ev.Response | None]:
        return self._write(partial(self._tables.append, append))

    def lock_pending(
        self, now: Instant, executor: ExecutorId, offers: Sequence[port.Offer]
    ) -> Awaitable[Sequence[port.Claim]]:
        return self._write(partial(self._tables.lock_pending, now, executor, offers))

    def fire_delays(self, now: Instant, limit: int) -> Awaitable[Sequence[port.DelayFired]]:
        return self._write(partial(self._tables.fire_delays, now, limit))

    def cancel_delay(self, delay_id: DelayId, now: Instant) -> Awaitable[port.DelayFired | None]:
        return self._write(partial(self._tables.cancel_delay, delay_id, now))

    def hold_delay(self, delay_id: DelayId, *, paused: bool) -> Awaitable[bool | None]:
        return self._write(partial(self._tables.hold_delay, delay_id, paused=paused))

    def beat(self, executor: ExecutorId, now: Instant) -> Awaitable[None]:
        return self._write(partial(self._tables.beat, executor, now))

    def take_over(self, now: Instant, *, silent_since: Instant, living: ExecutorId) -> Awaitable[Sequence[ExecutionId]]:
        return self._write(partial(self._tables.take_over, now, silent_since, living))

    def retire(self, executor: ExecutorId, now: Instant) -> Awaitable[Sequence[ExecutionId]]:
        return self._write(partial(self._tables.retire, executor, now))

    def put_component(self, digest: Digest, wasm: bytes) -> Awaitable[None]:
        return self._write(partial(self._tables.put_component, digest, wasm))

    def write_logs(self, records: Sequence[port.LogRecord]) -> Awaitable[None]:
        return self._write(partial(self._tables.write_logs, tuple(records)))

    def graft(self, tree: Sequence[Grafted]) -> Awaitable[None]:
        return self._write(partial(self._tables.graft, tuple(tree)))

    def hold(self, execution_id: ExecutionId, *, held: bool) -> Awaitable[bool]:
        return self._write(partial(self._tables.hold, execution_id, held=held))

    def prune(self, trees: Sequence[ExecutionId], before: Instant) -> Awaitable[Sequence[ExecutionId]]:
        return self._write(partial(self._tables.prune, tuple(trees), before))

    def sweep(self, limit: int, seconds: float = math.inf) -> Awaitable[int]:  # noqa: ARG002 - `prune` leaves nothing
        return self._write(lambda: 0)

    # Reads: of what is applied

    async def is_held(self, execution_id: ExecutionId) -> bool:
        return self._tables.find(execution_id).id in self._tables.kept

    async def old_trees(self, before: Instant, *, cursor: str | None = None) -> OldTrees:  # noqa: ARG002 - one page
        return self._tables.old_trees(before)

    async def get(self, execution_id: ExecutionId) -> proj.Projection:
        return self._tables.find(execution_id).projection

    async def get_all(self, ids: Collection[ExecutionId]) -> Mapping[ExecutionId, proj.Projection]:
        found = self._tables.executions
        return {id_: found[id_].projection for id_ in ids if id_ in found}

    async def log(
        self, execution_id: ExecutionId, *, start: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Recorded]:
        return self._tables.find(execution_id).log[start : start + bounded(limit)]

    async def responses(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Response]:
        return self._tables.find(execution_id).responses[after : after + bounded(limit)]

    async def list(
        self, where: port.ExecutionFilter, *, cursor: str | None = None, limit: int = 50, oldest_first: bool = False
    ) -> port.Page:
        return self._tables.page(where, cursor, limit, oldest_first=oldest_first)

    async def next_due(self, *, after: Instant | None = None) -> Instant | None:
        return self._tables.next_due(after)

    async def open_delays(
        self, parent: ExecutionId, *, after: DelayId | None = None, limit: int = port.PAGE_MAX
    ) -> Sequence[port.OpenDelay]:
        return self._tables.open_delays(parent, after, limit)

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        return self._tables.overdue(now, limit)

    async def backlog(self, now: Instant, limit: int, kind: ev.ExecutionKind | None = None) -> int:
        return self._tables.backlog(now, limit, kind)

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        return self._tables.beats.get(executor)

    async def get_component(self, digest: Digest) -> bytes | None:
        return self._tables.components.get(digest)

    async def read_logs(
        self,
        execution_id: ExecutionId,
        *,
        after: int = 0,
        limit: int = port.PAGE_MAX,
        levels: frozenset[port.LogLevel] = port.EVERY_LEVEL,
        tree: bool = False,
    ) -> Sequence[tuple[int, port.LogRecord]]:
        return self._tables.read_logs(execution_id, after, limit, levels, tree=tree)

    def write_requests(self, records: Sequence[port.RequestRecord]) -> Awaitable[None]:
        return self._write(partial(self._tables.write_requests, tuple(records)))

    async def read_requests(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[tuple[int, port.RequestRecord]]:
        return self._tables.read_requests(execution_id, after, limit)

    # The overview

    async def counts(self, *, top_level_only: bool, within: tuple[str, ...] | None = None) -> Counts:
        return memory_overview.counts(self._tables, top_level_only=top_level_only, within=within)

    async def versions(self, functions: Sequence[Ffqn]) -> Sequence[VersionCount]:
        return memory_overview.versions(self._tables, functions)

    async def failures(self, limit: int) -> Sequence[Failure]:
        return memory_overview.failures(self._tables, limit)

    async def oldest_due(self) -> Instant | None:
        return min(
            (due for e in self._tables.executions.values() if (due := e.projection.due) is not None), default=None
        )

    @property
    def sequence(self) -> int:
        return self._tables.sequence

    async def changes(self, after: int, *, tree: ExecutionId | None = None) -> Sequence[Change] | None:
        return memory_overview.changes(self._tables, after, tree)

    async def added(
        self, ids: Collection[ExecutionId], *, after: int, until: int, skip: int = 0, limit: int
    ) -> Sequence[Added]:
        return memory_overview.added(self._tables, ids, after, until)[skip : skip + bounded(limit)]

    # Signals and the end

    def subscribe(self, listener: Callable[[port.Changed], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return partial(self._unsubscribe, listener)

    def _unsubscribe(self, listener: Callable[[port.Changed], None]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    async def close(self) -> None:
        self._closed = True
        self._apply()


def _settle(change: Callable[[], T], done: "asyncio.Future[T]") -> None:
    """Apply a write and acknowledge it; a caller that was cancelled meanwhile is not told, but it is written."""
    try:
        result = change()
    except Exception as error:  # noqa: BLE001 - the boundary of the loop: a bug must reach who waits
        if not done.done():
            done.set_exception(error)
    else:
        if not done.done():
            done.set_result(result)
