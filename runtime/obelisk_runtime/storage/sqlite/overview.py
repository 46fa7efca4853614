"""Reads that look at very many rows; they have a connection of their own, and SQLite does the counting."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.store import CHANGES_MAX, PAGE_MAX, Added, Change, Counts, Failure, VersionCount
from obelisk_runtime.storage.codec import BLOCKED, CANCELLING, LOCKED, PAUSED, PENDING, joined_id, projection_of
from obelisk_runtime.storage.sqlite import listing, statements
from obelisk_runtime.storage.sqlite.listing import FAILED, KEYS, LAST_BODY, OPEN

if TYPE_CHECKING:
    from obelisk_runtime.storage.sqlite.reads import Reader

_COUNT = "SELECT count(*) FROM executions WHERE {}"
_COUNT_OPEN = f"""
SELECT count(*), sum(status = {PENDING}), sum(status = {LOCKED}), sum(status = {BLOCKED}),
    sum(flags & {PAUSED} <> 0), sum(flags & {CANCELLING} <> 0)
FROM executions INDEXED BY executions_open WHERE {OPEN} AND {{}}"""  # noqa: S608 - constants
_COUNT_FAILED = f"""
SELECT result, count(*) FROM executions INDEXED BY executions_failed WHERE {FAILED} AND {{}}
GROUP BY result"""  # noqa: S608 - constants
_VERSIONS = """
SELECT digest, sum(finished IS NULL), sum(finished IS NOT NULL) FROM executions
WHERE function IN ({}) AND parent >= 0 GROUP BY digest"""
_FAILURES = f"""
SELECT parent, segment, function, created, finished, {LAST_BODY.format("executions")}
FROM executions INDEXED BY executions_failed WHERE {FAILED} ORDER BY key DESC LIMIT ?"""  # noqa: S608 - constants
_OLDEST_DUE = """
SELECT min(due) FROM executions INDEXED BY executions_due
WHERE due IS NOT NULL AND (flags & 1) = 0 AND kind <> 3"""
_CHANGES = f"""
SELECT changed, {statements.SELECTED} FROM executions WHERE changed > ? AND parent >= 0
ORDER BY changed, key LIMIT ?"""  # noqa: S608 - constants
_TREE_CHANGES = f"""{statements.BELOW}
SELECT changed, {statements.SELECTED} FROM executions WHERE key IN below AND changed > ?
ORDER BY changed, key LIMIT ?"""  # noqa: S608 - constants
_ADDED = f"""{statements.ASKED}
SELECT item, added, key, created, 0 AS version, log
FROM asked JOIN executions USING (key) WHERE added > ?2 AND added <= ?3
UNION ALL
SELECT item, events.added, key, created, events.version, body
FROM asked JOIN executions USING (key) JOIN events ON execution = key
WHERE events.added <= ?3 AND events.version > coalesce((
    SELECT told.version FROM events AS told WHERE told.execution = key AND told.added <= ?2
    ORDER BY told.version DESC LIMIT 1
), 0)
ORDER BY added, key, version LIMIT ?4"""  # noqa: S608 - constants
CHANGES_SCANNED_MAX = 5_000_000
"""Executions that are looked at for what has changed in all the store: a million takes a third of a second."""


class Overview:
    """Part of a reader."""

    def __init__(self, reader: "Reader") -> None:
        self._reader = reader

    async def counts(self, *, top_level_only: bool, within: tuple[str, ...] | None) -> Counts:
        select, which = self._reader.scan, "parent = 0" if top_level_only else "parent >= 0"
        if within is not None:
            which += f" AND {listing.within(self._reader.interned, within, of_top_level=top_level_only)}"
        ((total,),) = await select(_COUNT.format(which))
        ((unfinished, *words),) = await select(_COUNT_OPEN.format(which))
        failed = dict(await select(_COUNT_FAILED.format(which)))
        finished = max(0, total - unfinished)  # the three are not read at one moment
        pending, locked, blocked, paused, cancelling = (word or 0 for word in words)
        statuses = {
            "pending": pending,
            "locked": locked,
            "blocked": blocked,
            "finished": finished,
            "paused": paused,
            "cancelling": cancelling,
        }
        return Counts(statuses, {"ok": max(0, finished - sum(failed.values())), **failed})

    async def versions(self, functions: Sequence[Ffqn]) -> Sequence[VersionCount]:
        interned = self._reader.interned
        numbers = ", ".join(str(interned.known(function.text)) for function in functions)
        rows = await self._reader.scan(_VERSIONS.format(numbers))
        return [VersionCount(interned.digest(digest), unfinished, done) for digest, unfinished, done in rows]

    async def failures(self, limit: int) -> Sequence[Failure]:
        reader = self._reader
        rows = await reader.scan(_FAILURES, (max(0, min(limit, PAGE_MAX)),))
        ids = await reader.ids({row[0] for row in rows})
        return [self._failure(ids[row[0]], row) for row in rows if row[0] in ids]

    def _failure(self, parent: ExecutionId | None, row: Sequence[Any]) -> Failure:
        _, segment, function, created, finished, body = row
        last = self._reader.codec.decode(body, created, 0)[-1].event
        assert isinstance(last, ev.Finished)
        at, name = Instant(created + finished), self._reader.interned.function(function)
        return Failure(joined_id(parent, segment), name, at, last.outcome)

    async def oldest_due(self) -> Instant | None:
        ((due,),) = await self._reader.select(_OLDEST_DUE)
        return due

    async def changes(self, after: int, *, tree: ExecutionId | None = None) -> Sequence[Change] | None:
        """All rows are looked at, so there must not be too many of them."""
        reader = self._reader
        if tree is not None:
            rows = await reader.scan(_TREE_CHANGES, (await reader.key(tree), after, CHANGES_MAX + 1))
        else:
            ((first, last),) = await reader.scan(KEYS)
            if last - first >= CHANGES_SCANNED_MAX:
                return None
            rows = await reader.scan(_CHANGES, (after, CHANGES_MAX + 1))
        if len(rows) > CHANGES_MAX:
            return None
        ids = await reader.ids({row[2] for row in rows})
        return [
            Change(changed, joined_id(ids[parent], segment), projection_of(columns, reader.interned))
            for changed, _, parent, segment, *columns in rows
            if parent in ids
        ]

    async def added(
        self, ids: Collection[ExecutionId], after: int, until: int, skip: int, limit: int
    ) -> Sequence[Added]:
        """A row holds one event or more, so as many rows as events are enough."""
        reader, asked = self._reader, dict(enumerate(ids))
        limit = max(0, min(limit, PAGE_MAX))
        rows = await reader.select(_ADDED, (statements.paths(ids), after, until, skip + limit))
        found = [
            Added(sequence, asked[item], event)
            for item, sequence, _, created, version, body in rows
            for event in reader.codec.decode(body, created, version)
        ]
        return found[skip : skip + limit]
