"""Reading calls: connections of their own, so that a slow one never delays a commit. They see every committed write."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import aiosqlite

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant, parent_of
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.core.search import mentions
from obelisk_runtime.ports import store as port
from obelisk_runtime.ports.figures import StoreFigures
from obelisk_runtime.ports.store import OldTrees
from obelisk_runtime.storage.codec import (
    FINISHED,
    PROJECTION_COLUMNS,
    EventCodec,
    Interned,
    id_path,
    joined_delay_id,
    joined_id,
    projection_of,
)
from obelisk_runtime.storage.sqlite import statements
from obelisk_runtime.storage.sqlite.listing import KEY_MAX, KEYS, LAST_BODY, Window, conditions
from obelisk_runtime.storage.sqlite.overview import Overview
from obelisk_runtime.storage.sqlite.queue import ANSWER_DUE

CONNECTIONS = 2
"""So that one slow read does not hold up all others."""
BUSY_SECONDS = 5.0
SCANNED_MAX = 5_000
"""Top-level executions looked at for a part of `old_trees`."""

_ASKED = f"""{statements.ASKED}
SELECT item, {statements.SELECTED} FROM asked JOIN executions USING (key)"""  # noqa: S608 - constants
_RESPONSES = f"""
SELECT position, at, responses.result, child.segment, child.created, child.finished,
    CASE WHEN responses.result IS NULL THEN {LAST_BODY.format("child")} END, delays.segment, delays.answer
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
    SELECT min(due) AS instant FROM executions WHERE due > ?1 AND due IS NOT NULL AND (flags & 1) = 0 AND kind <> 3
    UNION ALL SELECT min(wakes) FROM delays WHERE wakes > ?1 AND answer IS NULL AND paused IS NULL
    UNION ALL SELECT min(deadline) FROM executions
        WHERE deadline > ?1 AND deadline IS NOT NULL AND finished IS NULL AND (flags & 4) = 0
)"""
_OVERDUE = """
SELECT key FROM executions WHERE deadline <= ? AND deadline IS NOT NULL AND finished IS NULL AND (flags & 4) = 0
ORDER BY deadline, key LIMIT ?"""
_BACKLOG = """
SELECT count(*) FROM (SELECT 1 FROM executions WHERE due <= ?1 AND due IS NOT NULL AND (flags & 1) = 0 AND kind <> 3
AND (?2 IS NULL OR kind = ?2) LIMIT ?3)"""
_OPEN_DELAYS = """
SELECT segment, wakes, paused IS NOT NULL FROM delays
WHERE parent = ?1 AND answer IS NULL
    AND (?2 IS NULL OR key > (SELECT key FROM delays WHERE parent = ?1 AND segment = ?2))
ORDER BY key LIMIT ?3"""
_LOGS = """
SELECT key, execution, run, ordinal, at, level, source, message FROM logs
WHERE execution = ? AND key > ? AND level IN (SELECT value FROM json_each(?)) ORDER BY key LIMIT ?"""
_TREE_LOGS = f"""{statements.BELOW}
SELECT key, execution, run, ordinal, at, level, source, message FROM logs
WHERE execution IN below AND key > ? AND level IN (SELECT value FROM json_each(?)) ORDER BY key LIMIT ?"""  # noqa: S608
_REQUESTS = f"""
SELECT key, run, ordinal, more, {statements.REQUEST_COLUMNS} FROM requests
WHERE execution = ? AND key > ? ORDER BY key LIMIT ?"""  # noqa: S608 - a constant


class Reader:
    """The reading half of a store."""

    def __init__(self, connections: Sequence[aiosqlite.Connection], interned: Interned) -> None:
        """The first connection is the one of what takes long, and the only one if there are no others."""
        self._connections = connections
        self._scanning = connections[0]
        self._turn = cycle(connections[1:] or connections)
        self.interned = interned
        self.codec = EventCodec(interned)
        self.figures = StoreFigures()
        self.overview = Overview(self)

    @classmethod
    async def open(cls, path: Path, interned: Interned) -> "Reader":
        connections: list[aiosqlite.Connection] = []
        for _ in range(CONNECTIONS + 1):
            connection = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            connections.append(connection)
            await connection.execute("PRAGMA query_only = ON")
        return cls(connections, interned)

    async def close(self) -> None:
        connections, self._connections = self._connections, ()
        for connection in connections:
            await connection.close()

    async def select(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        """Raises: StoreUnavailable."""
        return await self._ask(next(self._turn), sql, values)

    async def scan(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        """`select` of what may take long: nothing but other scans waits for it. Raises: StoreUnavailable."""
        return await self._ask(self._scanning, sql, values)

    async def _ask(self, connection: aiosqlite.Connection, sql: str, values: Iterable[Any]) -> list[Any]:
        if not self._connections:
            raise port.StoreUnavailable("the store is closed")
        begun = perf_counter()
        try:
            return list(await connection.execute_fetchall(sql, values))
        except sqlite3.Error as error:
            raise port.StoreUnavailable(f"the store cannot read: {error}") from error
        finally:
            self.figures.reads.add(perf_counter() - begun)

    async def _find(self, execution_id: ExecutionId, columns: str) -> Any:
        path = id_path(execution_id)
        rows = await self.select(statements.find("executions", columns, len(path)), statements.bottom_up(path))
        if not rows:
            raise port.ExecutionNotFound(execution_id)
        return rows[0]

    async def get(self, execution_id: ExecutionId) -> Projection:
        row = await self._find(execution_id, statements.SELECTED)
        return projection_of(row[3:], self.interned)

    async def get_all(self, ids: Collection[ExecutionId]) -> dict[ExecutionId, Projection]:
        asked = dict(enumerate(ids))
        rows = await self.select(_ASKED, (statements.paths(ids),))
        return {asked[item]: projection_of(columns, self.interned) for item, _, _, _, *columns in rows}

    async def key(self, execution_id: ExecutionId) -> int:
        """Raises: ExecutionNotFound."""
        (key,) = await self._find(execution_id, "key")
        return key

    async def log(self, execution_id: ExecutionId, start: int, limit: int) -> Sequence[ev.Recorded]:
        key, created, version, log = await self._find(execution_id, "key, created, version, log")
        limit = _bounded(limit)
        found = self.codec.decode(log, created, 0)
        end = min(start + limit, version)
        if end > len(found):
            for first, body in await self.select(_EVENTS, (key, start, end, limit)):
                found += self.codec.decode(body, created, first)
        return [entry for entry in found if start <= entry.version < end]

    async def responses(self, execution_id: ExecutionId, after: int, limit: int) -> Sequence[ev.Response]:
        key = await self.key(execution_id)
        rows = await self.select(_RESPONSES, (key, after, _bounded(limit)))
        return [self._response(execution_id, row) for row in rows]

    def _response(self, parent: ExecutionId, row: Sequence[Any]) -> ev.Response:
        position, at, result, child, created, finished, body, delay, answer = row
        if child is None and delay is None:
            segment, foreign = self.codec.decode_foreign(result)
            join = joined_id if isinstance(foreign, ev.ChildFinished) else joined_delay_id
            return ev.Response(position=position, at=at, id=join(parent, segment), result=foreign)
        if child is None:
            answered = ev.DelayDue() if answer == ANSWER_DUE else ev.DelayCancelled()
            return ev.Response(position=position, at=at, id=joined_delay_id(parent, delay), result=answered)
        instant = Instant(created + finished) if at is None else at
        id_ = joined_id(parent, child)
        if result is not None:
            return ev.Response(position=position, at=instant, id=id_, result=self.codec.decode_result(result))
        last = self.codec.decode(body, created, 0)[-1].event
        assert isinstance(last, ev.Finished)
        return ev.Response(position=position, at=instant, id=id_, result=ev.ChildFinished(outcome=last.outcome))

    async def page(
        self, where: port.ExecutionFilter, cursor: str | None = None, limit: int = 50, *, oldest_first: bool = False
    ) -> port.Page:
        limit = _bounded(limit)
        place = parse_cursor(cursor)
        condition = conditions(where, self.interned)
        if condition is None or not limit:
            return port.Page([], None)
        select = self.scan if condition.scans else self.select
        first, last = 0, KEY_MAX
        if condition.scans:
            ((first, last),) = await select(KEYS)
        window = Window.of(first, last, place, oldest_first=oldest_first, whole=not condition.scans)
        rows = await select(*condition.statement(window, limit + 1))
        shown = rows[:limit]
        ids = await self.ids({row[1] for row in shown})
        if where.text is not None:
            shown = [row for row in shown if self._mentions(where.text, row)]
        items = [self._summary(row, ids) for row in shown if row[1] in ids]
        following = rows[limit - 1][0] if len(rows) > limit else window.next
        return port.Page(items, None if following is None else str(following))

    def _mentions(self, text: str, row: Sequence[Any]) -> bool:
        """The statement found the text in what is stored, which holds more than parameters and result."""
        *_, log, body = row
        created = self.codec.decode(log, Instant(0), 0)[0].event
        assert isinstance(created, ev.Created)
        return mentions(text, created, self.codec.decode(body, Instant(0), 0)[-1].event)

    def _summary(self, row: Sequence[Any], ids: Mapping[int, ExecutionId | None]) -> port.Summary:
        columns = row[3 : 3 + len(PROJECTION_COLUMNS)]
        return port.Summary(joined_id(ids[row[1]], row[2]), projection_of(columns, self.interned))

    async def ids(self, keys: Iterable[int]) -> Mapping[int, ExecutionId | None]:
        """Of these executions, and of those above them. What was pruned has none; that of 0 is None."""
        ids: dict[int, ExecutionId | None] = {0: None}
        for key in keys:
            await self._learn_id(key, ids)
        return ids

    async def _learn_id(self, key: int, ids: dict[int, ExecutionId | None]) -> None:
        """Look up the id of this execution, if it is not known yet, and of those above it. What was pruned has none."""
        unknown: list[tuple[int, Any]] = []
        while key not in ids:
            if key < 0:
                return
            found = await self.select("SELECT parent, segment FROM executions WHERE key = ?", (key,))
            if not found:
                return  # pruned and swept since the key was read
            ((parent, segment),) = found
            unknown.append((key, segment))
            key = parent
        id_ = ids[key]
        for below, segment in reversed(unknown):
            id_ = ids[below] = joined_id(id_, segment)

    async def is_held(self, execution_id: ExecutionId) -> bool:
        key = await self.key(execution_id)
        return bool(await self.select("SELECT 1 FROM holds WHERE execution = ?", (key,)))

    async def old_trees(self, before: Instant, cursor: str | None) -> OldTrees:
        after = parse_cursor(cursor) or 0
        rows = await self.select(_OLD_TREES, (before, after, SCANNED_MAX))
        ids = [joined_id(None, segment) for _, segment, old in rows if old]
        return OldTrees(ids, str(rows[-1][0]) if len(rows) == SCANNED_MAX else None)

    async def next_due(self, after: Instant | None) -> Instant | None:
        ((instant,),) = await self.select(_NEXT_DUE, (-1 if after is None else after,))
        return instant

    async def open_delays(self, parent: ExecutionId, after: DelayId | None, limit: int) -> Sequence[port.OpenDelay]:
        key = await self.key(parent)
        if after is not None and parent_of(after) != parent:
            return []
        segment = None if after is None else id_path(after)[-1]
        rows = await self.select(_OPEN_DELAYS, (key, segment, _bounded(limit)))
        return [
            port.OpenDelay(joined_delay_id(parent, segment), wakes, paused=bool(paused))
            for segment, wakes, paused in rows
        ]

    async def overdue(self, now: Instant, limit: int) -> Sequence[ExecutionId]:
        keys = [key for (key,) in await self.select(_OVERDUE, (now, _bounded(limit)))]
        ids = await self.ids(keys)
        return [id_ for key in keys if (id_ := ids.get(key)) is not None]

    async def backlog(self, now: Instant, limit: int, kind: ev.ExecutionKind | None) -> int:
        ((count,),) = await self.select(_BACKLOG, (now, None if kind is None else int(kind), limit))
        return count

    async def last_beat(self, executor: ExecutorId) -> Instant | None:
        rows = await self.select("SELECT beat FROM executors WHERE executor = ?", (self.interned.known(executor),))
        return Instant(rows[0][0]) if rows else None

    async def get_component(self, digest: Digest) -> bytes | None:
        rows = await self.select("SELECT wasm FROM components WHERE digest = ?", (self.interned.known(digest),))
        return rows[0][0] if rows else None

    async def read_logs(
        self, execution_id: ExecutionId, after: int, limit: int, levels: frozenset[port.LogLevel], *, tree: bool
    ) -> Sequence[tuple[int, port.LogRecord]]:
        try:
            key = await self.key(execution_id)
        except port.ExecutionNotFound:
            return []
        wanted = json.dumps(sorted(levels))
        rows = await self.select(_TREE_LOGS if tree else _LOGS, (key, after, wanted, _bounded(limit)))
        ids = await self.ids({row[1] for row in rows}) if tree else {key: execution_id}
        return [
            (cursor, port.LogRecord(id_, run, ordinal, at, port.LogLevel(level), source, message))
            for cursor, execution, run, ordinal, at, level, source, message in rows
            if (id_ := ids.get(execution)) is not None
        ]

    async def read_requests(
        self, execution_id: ExecutionId, after: int, limit: int
    ) -> Sequence[tuple[int, port.RequestRecord]]:
        try:
            key = await self.key(execution_id)
        except port.ExecutionNotFound:
            return []
        return [
            (cursor, port.RequestRecord(execution_id, run, ordinal, RequestMade(*made), bool(more)))
            for cursor, run, ordinal, more, *made in await self.select(_REQUESTS, (key, after, _bounded(limit)))
        ]


def _bounded(limit: int) -> int:
    return max(0, min(limit, port.PAGE_MAX))


def parse_cursor(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise InvalidName("cursor", cursor, "a `next_cursor` of this list")
    return int(cursor)
