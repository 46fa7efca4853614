"""`ports.store.Store` in one SQLite file."""

import asyncio
import json
import math
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.figures import StoreFigures
from obelisk_runtime.ports.store import Added, Change, Counts, Failure, Grafted, OldTrees, VersionCount
from obelisk_runtime.storage.codec import EventCodec, Interned
from obelisk_runtime.storage.sqlite import queue, writes
from obelisk_runtime.storage.sqlite import trees as whole_trees
from obelisk_runtime.storage.sqlite.checkpoints import Checkpoints
from obelisk_runtime.storage.sqlite.ledger import Hook, Ledger
from obelisk_runtime.storage.sqlite.lock_file import LockFile
from obelisk_runtime.storage.sqlite.opening import open_connection, opening_error
from obelisk_runtime.storage.sqlite.reads import Reader
from obelisk_runtime.storage.sqlite.writer import Writer


class SqliteStore:
    """Durable when an awaitable is done: write-ahead log, synchronous=FULL. One server a file."""

    def __init__(
        self, lock: LockFile, ledger: Ledger, connection: sqlite3.Connection, checkpoints: Checkpoints, reader: Reader
    ) -> None:
        self._lock = lock
        self._reader = reader
        self._interned = ledger.interned
        self._codec = EventCodec(ledger.interned)
        self._listeners: list[Callable[[port.Changed], None]] = []
        self._figures = reader.figures
        self._sequence = ledger.sequence
        self._writer = Writer(connection, ledger, checkpoints, self._tell, self._figures)

    @classmethod
    async def open(cls, path: Path, *, hook: Hook | None = None) -> "SqliteStore":
        """Open the store in this file; it and its folder are made if they are missing. Older schemas are migrated.

        `hook` is called in the middle of writing transactions (`Hook`); if it raises, the transaction fails.
        Raises: StoreInUse, StoreUnavailable, StoreCorrupt, SchemaTooNew.
        """
        lock, connection = await asyncio.to_thread(_open, path)
        try:
            texts = connection.execute("SELECT text FROM interned ORDER BY number").fetchall()
            interned = Interned(text for (text,) in texts)
            ledger = Ledger(connection, interned, hook)
            reader = await Reader.open(path, interned)
            checkpoints = Checkpoints(path)
        except BaseException as error:
            connection.close()
            lock.release()
            if isinstance(error, sqlite3.Error):
                raise opening_error(path, error) from error
            raise
        return cls(lock, ledger, connection, checkpoints, reader)

    async def close(self) -> None:
        await self._reader.close()
        await self._writer.close()
        self._lock.release()

    # Executions

    def create(self, new: port.NewExecution) -> Awaitable[port.CreateOutcome]:
        encoded = writes.EncodedExecution.of(new, self._codec)
        return self._writer.submit(lambda ledger: writes.create(ledger, encoded))

    def create_all(self, new: Sequence[port.NewExecution]) -> Awaitable[Sequence[port.CreateOutcome]]:
        encoded = [writes.EncodedExecution.of(item, self._codec) for item in new]
        return self._writer.submit(lambda ledger: writes.create_all(ledger, encoded))

    def append(self, append: port.Append) -> Awaitable[ev.Response | None]:
        encoded = writes.EncodedAppend.of(append, self._codec)
        return self._writer.submit(lambda ledger: writes.append(ledger, encoded))

    async def get(self, execution_id: ExecutionId) -> proj.Projection:
        return await self._reader.get(execution_id)

    async def get_all(self, ids: Collection[ExecutionId]) -> Mapping[ExecutionId, proj.Projection]:
        return await self._reader.get_all(ids)

    async def log(
        self, execution_id: ExecutionId, *, start: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Recorded]:
        return await self._reader.log(execution_id, start, limit)

    async def responses(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[ev.Response]:
        return await self._reader.responses(execution_id, after, limit)

    async def list(
        self, where: port.ExecutionFilter, *, cursor: str | None = None, limit: int = 50, oldest_first: bool = False
    ) -> port.Page:
        return await self._reader.page(where, cursor, limit, oldest_first=oldest_first)

    # The work queue

    def lock_pending(
        self, now: Instant, executor: ExecutorId, offers: Sequence[port.Offer]
    ) -> Awaitable[Sequence[port.Claim]]:
        numbered = [self._numbered(offer) for offer in offers]
        self._interned.number(executor)
        return self._writer.submit(lambda ledger: queue.lock_pending(ledger, now, executor, numbered))

    def _numbered(self, offer: port.Offer) -> queue.NumberedOffer:
        if offer.functions is None:
            return queue.NumberedOffer(offer, None)
        for digest in offer.functions.values():
            self._interned.optional(digest)
        functions = [self._interned.known(function.text) for function in offer.functions]
        return queue.NumberedOffer(offer, json.dumps(functions))

    async def next_due(self, *, after: Instant | None = None) -> Instant | None:
        return await self._reader.next_due(after)

    def fire_delays(self, now: Instant, limit: int) -> Awaitable[Sequence[port.DelayFired]]:
        return self._writer.submit(lambda ledger: queue.fire_delays(ledger, now, limit))

    def cancel_delay(self, delay_id: DelayId, now: Instant) -> Awaitable[port.DelayFired | None]:
        return self._writer.submit(lambda ledger: queue.cancel_delay(ledger, delay_id, now))

    def hold_delay(self, delay_id: DelayId, *, paused: bool) -> Awaitable[bool | None]:
        return self._writer.submit(lambda ledger: queue.hold_delay(ledger, delay_id, paused=paused))

    async def open_delays(
        self, parent: ExecutionId, *, after: DelayId | None = None, limit: int = port.PAGE_MAX
    ) -> Sequence[port.OpenDelay]:
        return await self._reader.open_delays(parent, after, limit)

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        return await self._reader.overdue(now, limit)

    async def backlog(self, now: Instant, limit: int, kind: ev.ExecutionKind | None = None) -> int:
        return await self._reader.backlog(now, limit, kind)

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        return await self._reader.last_beat(executor)

    def beat(self, executor: ExecutorId, now: Instant) -> Awaitable[None]:
        number = self._interned.number(executor)
        return self._writer.submit(lambda ledger: queue.beat(ledger, number, now))

    def take_over(self, now: Instant, *, silent_since: Instant, living: ExecutorId) -> Awaitable[Sequence[ExecutionId]]:
        number = self._interned.known(living)
        return self._writer.submit(lambda ledger: queue.take_over(ledger, now, silent_since, number))

    def retire(self, executor: ExecutorId, now: Instant) -> Awaitable[Sequence[ExecutionId]]:
        number = self._interned.known(executor)
        return self._writer.submit(lambda ledger: queue.retire(ledger, number, now))

    # The catalog

    def put_component(self, digest: Digest, wasm: bytes) -> Awaitable[None]:
        number = self._interned.number(digest)
        return self._writer.submit(lambda ledger: writes.put_component(ledger, number, wasm))

    async def get_component(self, digest: Digest) -> bytes | None:
        return await self._reader.get_component(digest)

    def write_logs(self, records: Sequence[port.LogRecord]) -> Awaitable[None]:
        written = tuple(records)
        return self._writer.submit(lambda ledger: writes.write_logs(ledger, written))

    async def read_logs(
        self,
        execution_id: ExecutionId,
        *,
        after: int = 0,
        limit: int = port.PAGE_MAX,
        levels: frozenset[port.LogLevel] = port.EVERY_LEVEL,
        tree: bool = False,
    ) -> Sequence[tuple[int, port.LogRecord]]:
        return await self._reader.read_logs(execution_id, after, limit, levels, tree=tree)

    def write_requests(self, records: Sequence[port.RequestRecord]) -> Awaitable[None]:
        written = tuple(records)
        return self._writer.submit(lambda ledger: writes.write_requests(ledger, written))

    async def read_requests(
        self, execution_id: ExecutionId, *, after: int = 0, limit: int = port.PAGE_MAX
    ) -> Sequence[tuple[int, port.RequestRecord]]:
        return await self._reader.read_requests(execution_id, after, limit)

    # Trees

    def graft(self, tree: Sequence[Grafted]) -> Awaitable[None]:
        encoding = whole_trees.Encoding(tree, self._codec)
        if encoding.go_on():
            return self._writer.submit(lambda ledger: whole_trees.graft(ledger, encoding.done))
        return asyncio.ensure_future(self._graft_later(encoding))

    async def _graft_later(self, encoding: whole_trees.Encoding) -> None:
        """A large tree does not hold up the event loop while it is encoded."""
        ready = False
        while not ready:
            await asyncio.sleep(0)
            ready = encoding.go_on()
        await self._writer.submit(lambda ledger: whole_trees.graft(ledger, encoding.done))

    def hold(self, execution_id: ExecutionId, *, held: bool) -> Awaitable[bool]:
        return self._writer.submit(lambda ledger: whole_trees.hold(ledger, execution_id, held=held))

    async def is_held(self, execution_id: ExecutionId) -> bool:
        return await self._reader.is_held(execution_id)

    async def old_trees(self, before: Instant, *, cursor: str | None = None) -> OldTrees:
        return await self._reader.old_trees(before, cursor)

    def prune(self, trees: Sequence[ExecutionId], before: Instant) -> Awaitable[Sequence[ExecutionId]]:
        pruned = tuple(trees)
        return self._writer.submit(lambda ledger: whole_trees.prune(ledger, pruned, before))

    def sweep(self, limit: int, seconds: float = math.inf) -> Awaitable[int]:
        return self._writer.submit(lambda ledger: whole_trees.sweep(ledger, limit, seconds))

    # The overview

    @property
    def figures(self) -> StoreFigures:
        return self._figures

    async def counts(self, *, top_level_only: bool, within: tuple[str, ...] | None = None) -> Counts:
        return await self._reader.overview.counts(top_level_only=top_level_only, within=within)

    async def versions(self, functions: Sequence[Ffqn]) -> Sequence[VersionCount]:
        return await self._reader.overview.versions(functions)

    async def failures(self, limit: int) -> Sequence[Failure]:
        return await self._reader.overview.failures(limit)

    async def oldest_due(self) -> Instant | None:
        return await self._reader.overview.oldest_due()

    @property
    def sequence(self) -> int:
        return self._sequence

    async def changes(self, after: int, *, tree: ExecutionId | None = None) -> Sequence[Change] | None:
        return await self._reader.overview.changes(after, tree=tree)

    async def added(
        self, ids: Collection[ExecutionId], *, after: int, until: int, skip: int = 0, limit: int
    ) -> Sequence[Added]:
        return await self._reader.overview.added(ids, after, until, skip, limit)

    # Signals

    def subscribe(self, listener: Callable[[port.Changed], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return partial(self._unsubscribe, listener)

    def _unsubscribe(self, listener: Callable[[port.Changed], None]) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def _tell(self, changed: port.Changed) -> None:
        self._sequence = changed.sequence
        for listener in tuple(self._listeners):
            listener(changed)


def _open(path: Path) -> tuple[LockFile, sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise port.StoreUnavailable(f"cannot make the folder {path.parent}: {error.strerror}") from error
    lock = LockFile(path)
    try:
        return lock, open_connection(path)
    except BaseException:
        lock.discard()
        raise
