"""What must hold of a store after every call, and a store that looks after each of its writes."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.figures import StoreFigures
from obelisk_runtime.ports.store import Added, Change, Counts, Failure, Grafted, OldTrees, VersionCount
from obelisk_runtime.testing.conformance.scenes import all_responses, whole_log

T = TypeVar("T")
EVERYTHING = port.ExecutionFilter(top_level_only=False)


@dataclass(frozen=True, slots=True)
class Row:
    """All that a store holds of one execution."""

    log: Sequence[ev.Recorded]
    responses: Sequence[ev.Response]
    projection: Projection


async def listed(
    store: port.Store, where: port.ExecutionFilter = EVERYTHING, limit: int = port.PAGE_MAX
) -> list[port.Summary]:
    """Every page of a list."""
    page = await store.list(where, limit=limit)
    found = list(page.items)
    while page.next_cursor is not None:
        page = await store.list(where, cursor=page.next_cursor, limit=limit)
        found += page.items
    return found


async def dump(store: port.Store) -> Mapping[ExecutionId, Row]:
    """All executions, newest first."""
    rows: dict[ExecutionId, Row] = {}
    for summary in await listed(store):
        log = await whole_log(store, summary.id)
        rows[summary.id] = Row(log, await all_responses(store, summary.id), summary.projection)
    return rows


def check(rows: Mapping[ExecutionId, Row]) -> None:
    """Raises: AssertionError for an execution that is not what its log and responses say."""
    for execution_id, row in rows.items():
        assert [entry.version for entry in row.log] == list(range(len(row.log)))
        assert [response.position for response in row.responses] == list(range(1, len(row.responses) + 1))
        assert len({response.id for response in row.responses}) == len(row.responses)
        assert row.projection == fold(execution_id, row.log, row.responses), execution_id


class CheckedStore:
    """A store that is checked after each write that no other write overlaps."""

    def __init__(self, store: port.Store) -> None:
        self._store = store
        self._begun = 0
        self._under_way = 0

    def _checked(self, write: Awaitable[T]) -> "asyncio.Task[T]":
        self._begun += 1
        self._under_way += 1
        return asyncio.ensure_future(self._settle(write))

    async def _settle(self, write: Awaitable[T]) -> T:
        try:
            return await write
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                await self._check()

    async def _check(self) -> None:
        begun = self._begun
        rows = await dump(self._store)
        if self._begun == begun:
            check(rows)

    def create(self, new: port.NewExecution) -> Awaitable[port.CreateOutcome]:
        return self._checked(self._store.create(new))

    def create_all(self, new: Sequence[port.NewExecution]) -> Awaitable[Sequence[port.CreateOutcome]]:
        return self._checked(self._store.create_all(new))

    def append(self, append: port.Append) -> Awaitable[ev.Response | None]:
        return self._checked(self._store.append(append))

    def lock_pending(
        self, now: Instant, executor: ExecutorId, offers: Sequence[port.Offer]
    ) -> Awaitable[Sequence[port.Claim]]:
        return self._checked(self._store.lock_pending(now, executor, offers))

    def fire_delays(self, now: Instant, limit: int) -> Awaitable[Sequence[port.DelayFired]]:
        return self._checked(self._store.fire_delays(now, limit))

    def cancel_delay(self, delay_id: DelayId, now: Instant) -> Awaitable[port.DelayFired | None]:
        return self._checked(self._store.cancel_delay(delay_id, now))

    def hold_delay(self, delay_id: DelayId, *, paused: bool) -> Awaitable[bool | None]:
        return self._checked(self._store.hold_delay(delay_id, paused=paused))

    def beat(self, executor: ExecutorId, now: Instant) -> Awaitable[None]:
        return self._checked(self._store.beat(executor, now))

    def take_over(self, now: Instant, *, silent_since: Instant, living: ExecutorId) -> Awaitable[Sequence[ExecutionId]]:
        return self._checked(self._store.take_over(now, silent_since=silent_since, living=living))

    def retire(self, executor: ExecutorId, now: Instant) -> Awaitable[Sequence[ExecutionId]]:
        return self._checked(self._store.retire(executor, now))

    def put_component(self, digest: Digest, wasm: bytes) -> Awaitable[None]:
        return self._checked(self._store.put_component(digest, wasm))

    def write_logs(self, records: Sequence[port.LogRecord]) -> Awaitable[None]:
        return self._checked(self._store.write_logs(records))

    def write_requests(self, records: Sequence[port.RequestRecord]) -> Awaitable[None]:
        return self._checked(self._store.write_requests(records))

    def graft(self, tree: Sequence[Grafted]) -> Awaitable[None]:
        return self._checked(self._store.graft(tree))

    def hold(self, execution_id: ExecutionId, *, held: bool) -> Awaitable[bool]:
        return self._checked(self._store.hold(execution_id, held=held))

    def prune(self, trees: Sequence[ExecutionId], before: Instant) -> Awaitable[Sequence[ExecutionId]]:
        return self._checked(self._store.prune(trees, before))

    def sweep(self, limit: int, seconds: float = math.inf) -> Awaitable[int]:
        return self._checked(self._store.sweep(limit, seconds))

    async def is_held(self, execution_id: ExecutionId) -> bool:
        return await self._store.is_held(execution_id)

    async def old_trees(self, before: Instant, *, cursor: str | None = None) -> OldTrees:
        return await self._store.old_trees(before, cursor=cursor)

    async def get(self, execution_id: ExecutionId) -> Projection:
        return await self._store.get(execution_id)

    async def get_all(self, ids: Collection[ExecutionId]) -> Mapping[ExecutionId, Projection]:
        return await self._store.get_all(ids)

    async def log(
        self, execution_id: ExecutionId, *, start: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Recorded]:
        return await self._store.log(execution_id, start=start, limit=limit)

    async def responses(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Response]:
        return await self._store.responses(execution_id, after=after, limit=limit)

    async def list(
        self, where: port.ExecutionFilter, *, cursor: str | None = None, limit: int = 50, oldest_first: bool = False
    ) -> port.Page:
        return await self._store.list(where, cursor=cursor, limit=limit, oldest_first=oldest_first)

    @property
    def figures(self) -> StoreFigures:
        return self._store.figures

    async def counts(self, *, top_level_only: bool, within: tuple[str, ...] | None = None) -> Counts:
        return await self._store.counts(top_level_only=top_level_only, within=within)

    async def versions(self, functions: Sequence[Ffqn]) -> Sequence[VersionCount]:
        return await self._store.versions(functions)

    async def failures(self, limit: int) -> Sequence[Failure]:
        return await self._store.failures(limit)

    async def oldest_due(self) -> Instant | None:
        return await self._store.oldest_due()

    @property
    def sequence(self) -> int:
        return self._store.sequence

    async def changes(self, after: int, *, tree: ExecutionId | None = None) -> Sequence[Change] | None:
        return await self._store.changes(after, tree=tree)

    async def added(
        self, ids: Collection[ExecutionId], *, after: int, until: int, skip: int = 0, limit: int
    ) -> Sequence[Added]:
        return await self._store.added(ids, after=after, until=until, skip=skip, limit=limit)

    async def next_due(self, *, after: Instant | None = None) -> Instant | None:
        return await self._store.next_due(after=after)

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        return await self._store.overdue(now, limit)

    async def backlog(self, now: Instant, limit: int, kind: ev.ExecutionKind | None = None) -> int:
        return await self._store.backlog(now, limit, kind)

    async def open_delays(
        self, parent: ExecutionId, *, after: DelayId | None = None, limit: int = port.PAGE_MAX
    ) -> Sequence[port.OpenDelay]:
        return await self._store.open_delays(parent, after=after, limit=limit)

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        return await self._store.last_beat(executor)

    async def get_component(self, digest: Digest) -> bytes | None:
        return await self._store.get_component(digest)

    async def read_logs(
        self,
        execution_id: ExecutionId,
        *,
        after: int = 0,
        limit: int = port.PAGE_MAX,
        levels: frozenset[port.LogLevel] = port.EVERY_LEVEL,
        tree: bool = False,
    ) -> Sequence[tuple[int, port.LogRecord]]:
        return await self._store.read_logs(execution_id, after=after, limit=limit, levels=levels, tree=tree)

    async def read_requests(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[tuple[int, port.RequestRecord]]:
        return await self._store.read_requests(execution_id, after=after, limit=limit)

    def subscribe(self, listener: Callable[[port.Changed], None]) -> Callable[[], None]:
        return self._store.subscribe(listener)

    async def close(self) -> None:
        await self._store.close()
