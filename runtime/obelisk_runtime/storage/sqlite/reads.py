"""Reading calls: connections of their own, so that a slow one never delays a commit. They see every committed write."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import aiosqlite

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.trees import OldTrees
from obelisk_runtime.storage.codec import (
    FINISHED,
    EventCodec,
    Interned,
    id_path,
    joined_delay_id,
    joined_id,
    projection_of,
)
from obelisk_runtime.storage.sqlite import statements
from obelisk_runtime.storage.sqlite.listing import Condition, conditions
from obelisk_runtime.storage.sqlite.queue import ANSWER_DUE

CONNECTIONS = 2
"""So that one slow read does not hold up all others."""
BUSY_SECONDS = 5.0
SCANNED_MAX = 5_000
"""Top-level executions looked at for a part of `old_trees`."""

_LAST_BODY = "coalesce((SELECT body FROM events WHERE execution = child.key ORDER BY version DESC LIMIT 1), child.log)"
_RESPONSES = f"""
SELECT position, at, responses.result, child.segment, child.created, child.finished,
    CASE WHEN responses.result IS NULL THEN {_LAST_BODY} END, delays.segment, delays.answer
FROM responses
LEFT JOIN executions AS child ON child.key = source
LEFT JOIN delays ON delays.key = -source
WHERE responses.parent = ? AND position > ? ORDER BY position LIMIT ?"""  # noqa: S608 - constants
_OLD_TREES = f"""
SELECT key, segment,
    status = {FINISHED} AND created + finished < ? AND key NOT IN (SELECT execution FROM holds)
FROM executions INDEXED BY executions_top_level WHERE parent = 0 AND key > ? ORDER BY key LIMIT ?"""  # noqa: S608
_EVENTS = """
SELECT version, body FROM events
WHERE execution = ?1 AND version < ?3
    AND version >= coalesce((SELECT max(version) FROM events WHERE execution = ?1 AND version <= ?2), 0)
ORDER BY version LIMIT ?4"""
_NEXT_DUE = """
SELECT min(instant) FROM (
    SELECT min(due) AS instant FROM executions WHERE due IS NOT NULL AND (flags & 1) = 0 AND kind < 3
    UNION ALL SELECT min(wakes) FROM delays WHERE answer IS NULL AND paused IS NULL
    UNION ALL SELECT min(deadline) FROM executions
        WHERE deadline IS NOT NULL AND finished IS NULL AND (flags & 4) = 0
)"""
_OVERDUE = """
SELECT key FROM executions WHERE deadline <= ? AND deadline IS NOT NULL AND finished IS NULL AND (flags & 4) = 0
ORDER BY deadline, key LIMIT ?"""
_BACKLOG = """
SELECT count(*) FROM (SELECT 1 FROM executions WHERE due <= ? AND due IS NOT NULL AND (flags & 1) = 0 AND kind < 3
LIMIT ?)"""
_OPEN_DELAYS = """
SELECT segment, wakes, paused IS NOT NULL FROM delays WHERE parent = ? AND answer IS NULL ORDER BY key LIMIT ?"""
_LOGS = """
SELECT key, run, ordinal, at, level, source, message FROM logs
WHERE execution = ? AND key > ? ORDER BY key LIMIT ?"""


class Reader:
    """The reading half of a store."""

    def __init__(self, connections: Sequence[aiosqlite.Connection], interned: Interned) -> None:
        self._connections = connections
        self._turn = cycle(connections)
        self._interned = interned
        self._codec = EventCodec(interned)

    @classmethod
    async def open(cls, path: Path, interned: Interned) -> "Reader":
        connections: list[aiosqlite.Connection] = []
        for _ in range(CONNECTIONS):
            connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            connections.append(connection)
            await connection.execute("PRAGMA query_only = ON")
        return cls(connections, interned)

    async def close(self) -> None:
        connections, self._connections = self._connections, ()
        for connection in connections:
            await connection.close()

    async def _select(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        if not self._connections:
            raise port.StoreUnavailable("the store is closed")
        try:
            return list(await next(self._turn).execute_fetchall(sql, values))
        except sqlite3.Error as error:
            raise port.StoreUnavailable(f"the store cannot read: {error}") from error

    async def _find(self, execution_id: ExecutionId, columns: str) -> Any:
        path = id_path(execution_id)
        rows = await self._select(statements.find("executions", columns, len(path)), statements.bottom_up(path))
        if not rows:
            raise port.ExecutionNotFound(execution_id)
        return rows[0]

    async def get(self, execution_id: ExecutionId) -> Projection:
        row = await self._find(execution_id, statements.SELECTED)
        return projection_of(row[3:], self._interned)

    async def log(self, execution_id: ExecutionId, start: int, limit: int) -> Sequence[ev.Recorded]:
        key, created, version, log = await self._find(execution_id, "key, created, version, log")
        limit = _bounded(limit)
        found = self._codec.decode(log, created, 0)
        end = min(start + limit, version)
        if end > len(found):
            for first, body in await self._select(_EVENTS, (key, start, end, limit)):
                found += self._codec.decode(body, created, first)
        return [entry for entry in found if start <= entry.version < end]

    async def responses(self, execution_id: ExecutionId, after: int, limit: int) -> Sequence[ev.Response]:
        (key,) = await self._find(execution_id, "key")
        rows = await self._select(_RESPONSES, (key, after, _bounded(limit)))
        return [self._response(execution_id, row) for row in rows]

    def _response(self, parent: ExecutionId, row: Sequence[Any]) -> ev.Response:
        position, at, result, child, created, finished, body, delay, answer = row
        if child is None and delay is None:
            segment, foreign = self._codec.decode_foreign(result)
            join = joined_id if isinstance(foreign, ev.ChildFinished) else joined_delay_id
            return ev.Response(position=position, at=at, id=join(parent, segment), result=foreign)
        if child is None:
            answered = ev.DelayDue() if answer == ANSWER_DUE else ev.DelayCancelled()
            return ev.Response(position=position, at=at, id=joined_delay_id(parent, delay), result=answered)
        instant = Instant(created + finished) if at is None else at
        id_ = joined_id(parent, child)
        if result is not None:
            return ev.Response(position=position, at=instant, id=id_, result=self._codec.decode_result(result))
        last = self._codec.decode(body, created, 0)[-1].event
        assert isinstance(last, ev.Finished)
        return ev.Response(position=position, at=instant, id=id_, result=ev.ChildFinished(outcome=last.outcome))

    async def page(self, where: port.ExecutionFilter, cursor: str | None, limit: int) -> port.Page:
        limit = _bounded(limit)
        before = _parse_cursor(cursor)
        condition = conditions(where, self._interned)
        if condition is None:
            return port.Page([], None)
        rows = await self._rows(condition, before, limit + 1)
        ids: dict[int, ExecutionId | None] = {0: None}
        for parent in {row[1] for row in rows[:limit]}:
            await self._learn_id(parent, ids)
        items = [self._summary(row, ids) for row in rows[:limit] if row[1] in ids]
        return port.Page(items, str(rows[limit - 1][0]) if len(rows) > limit > 0 else None)

    async def _rows(self, condition: Condition, before: int | None, limit: int) -> list[Any]:
        sql = condition.sql if before is None else f"{condition.sql} AND key < ?"
        values = condition.values if before is None else (*condition.values, before)
        select = f"{condition.prelude}SELECT {statements.SELECTED} FROM executions {sql}"  # noqa: S608
        return await self._select(f"{select} ORDER BY key DESC LIMIT ?", (*values, limit))

    def _summary(self, row: Sequence[Any], ids: Mapping[int, ExecutionId | None]) -> port.Summary:
        return port.Summary(joined_id(ids[row[1]], row[2]), projection_of(row[3:], self._interned))

    async def _learn_id(self, key: int, ids: dict[int, ExecutionId | None]) -> None:
        """Look up the id of this execution, if it is not known yet, and of those above it. What was pruned has none."""
        unknown: list[tuple[int, Any]] = []
        while key not in ids:
            if key < 0:
                return
            ((parent, segment),) = await self._select("SELECT parent, segment FROM executions WHERE key = ?", (key,))
            unknown.append((key, segment))
            key = parent
        id_ = ids[key]
        for below, segment in reversed(unknown):
            id_ = ids[below] = joined_id(id_, segment)

    async def is_held(self, execution_id: ExecutionId) -> bool:
        (key,) = await self._find(execution_id, "key")
        return bool(await self._select("SELECT 1 FROM holds WHERE execution = ?", (key,)))

    async def old_trees(self, before: Instant, cursor: str | None) -> OldTrees:
        after = _parse_cursor(cursor) or 0
        rows = await self._select(_OLD_TREES, (before, after, SCANNED_MAX))
        ids = [joined_id(None, segment) for _, segment, old in rows if old]
        return OldTrees(ids, str(rows[-1][0]) if len(rows) == SCANNED_MAX else None)

    async def next_due(self) -> Instant | None:
        ((instant,),) = await self._select(_NEXT_DUE)
        return instant

    async def open_delays(self, parent: ExecutionId, limit: int) -> Sequence[port.OpenDelay]:
        (key,) = await self._find(parent, "key")
        rows = await self._select(_OPEN_DELAYS, (key, _bounded(limit)))
        return [
            port.OpenDelay(joined_delay_id(parent, segment), wakes, paused=bool(paused))
            for segment, wakes, paused in rows
        ]

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        ids: dict[int, ExecutionId | None] = {0: None}
        found: list[ExecutionId] = []
        for (key,) in await self._select(_OVERDUE, (now, _bounded(limit))):
            await self._learn_id(key, ids)
            id_ = ids[key]
            assert id_ is not None
            found.append(id_)
        return found

    async def backlog(self, now: Instant, limit: int) -> int:
        ((count,),) = await self._select(_BACKLOG, (now, limit))
        return count

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        rows = await self._select("SELECT beat FROM executors WHERE executor = ?", (self._interned.known(executor),))
        return Instant(rows[0][0]) if rows else None

    async def get_component(self, digest: Digest) -> bytes | None:
        rows = await self._select("SELECT wasm FROM components WHERE digest = ?", (self._interned.known(digest),))
        return rows[0][0] if rows else None

    async def read_logs(
        self, execution_id: ExecutionId, after: int, limit: int
    ) -> Sequence[tuple[int, port.LogRecord]]:
        try:
            (key,) = await self._find(execution_id, "key")
        except port.ExecutionNotFound:
            return []
        rows = await self._select(_LOGS, (key, after, _bounded(limit)))
        return [
            (cursor, port.LogRecord(execution_id, run, ordinal, at, port.LogLevel(level), source, message))
            for cursor, run, ordinal, at, level, source, message in rows
        ]


def _bounded(limit: int) -> int:
    return max(0, min(limit, port.PAGE_MAX))


def _parse_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidName("cursor", cursor, "a `next_cursor` of this list")
    return int(cursor)
