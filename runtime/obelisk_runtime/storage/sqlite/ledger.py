"""What the writer thread knows of the executions it works on, and what it has yet to write.

A change is checked and made here, in memory; `flush` writes all of it with a few statements. That is safe because
nobody else writes the file. After a failed transaction the ledger forgets everything and reads again.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.projection import Finished, Projection
from obelisk_runtime.ports.store import ExecutionNotFound, NewExecution
from obelisk_runtime.storage.codec import (
    ANSWERED,
    FLAGS,
    EventCodec,
    Interned,
    Segment,
    body,
    id_path,
    joined_id,
    projection_of,
    projection_row,
)
from obelisk_runtime.storage.sqlite import statements

HELD_MAX = 10_000
"""Executions kept in memory between transactions; above it all are dropped and read again as needed."""

CHANGES_RESERVED = 1_000_000
"""Sequence numbers taken at once: a restart leaves out what is left of them."""

Hook = Callable[[str], None]
"""Called in the middle of a transaction, before each statement and before the commit, with its name."""


class Held:
    """An execution as it stands in this transaction."""

    __slots__ = ("answered", "entries", "id", "key", "log", "new", "parent", "projection", "segment", "stored")

    def __init__(self, key: int, parent: int, segment: Segment, id_: ExecutionId, projection: Projection) -> None:
        self.key = key
        self.parent = parent
        """The parent's key, 0 if it has none."""
        self.segment = segment
        self.id = id_
        self.projection = projection
        self.answered = False
        """Whether it has responded to its parent."""
        self.stored: Projection | None = None
        """As it is in the file; None until it was written."""
        self.new: NewExecution | None = None
        """What it was created from, until it was written."""
        self.log = b""
        self.entries = 0
        """Its first events, until it was written."""


class Ledger:
    """Used by the writer thread alone, but for `touched` between transactions."""

    def __init__(self, connection: sqlite3.Connection, interned: Interned, hook: Hook | None) -> None:
        self.interned = interned
        self.codec = EventCodec(interned)
        self.careful = False
        """Look up whether new ids are free; else the unique indexes tell, and the transaction is repeated carefully."""
        self.changed: set[ExecutionId] = set()
        """What this transaction changed."""
        self.pending = False
        """Whether it added a delay or something that may be locked."""
        self.sequence = _reserved(connection)
        """Of the transaction that is under way, or was the last one."""
        self._reserved = 0
        """Where the numbers that are taken end; 0: it is not known to be in the file."""
        self._connection = connection
        self._hook = hook
        self._persisted = len(interned.texts)
        self._held: dict[ExecutionId, Held] = {}
        self._ids: dict[int, ExecutionId] = {}
        self._clear()
        self._next_key = self._after_last("executions")
        self._next_delay = self._after_last("delays")

    def _after_last(self, table: str) -> int:
        return self._connection.execute(f"SELECT coalesce(max(key), 0) + 1 FROM {table}").fetchone()[0]  # noqa: S608

    def _clear(self) -> None:
        self._touched: dict[int, Held] = {}
        self._rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in statements.INSERTS}
        self._interning = 0

    # Transactions

    def begin(self) -> None:
        self.changed = set()
        self.pending = False
        self.sequence += 1
        self.execute("begin", "BEGIN IMMEDIATE")
        if self.sequence >= self._reserved:
            self._reserved = self.sequence + CHANGES_RESERVED
            self.execute("counters", _RESERVE, (self._reserved,))

    def commit(self) -> None:
        self.flush()
        self.execute("commit", "COMMIT")
        self._persisted += self._interning
        self._interning = 0
        if len(self._held) > HELD_MAX:
            self._held.clear()
            self._ids.clear()

    def roll_back(self) -> None:
        """Undo the transaction, if there still is one, and forget what it had read and changed."""
        self._held.clear()
        self._ids.clear()
        self._clear()
        self._reserved = 0
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def execute(self, name: str, sql: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        if self._hook is not None:
            self._hook(name)
        return self._connection.execute(sql, values)  # pyright: ignore[reportArgumentType] - values are what we bind

    def select(self, sql: str, values: Sequence[object] = ()) -> list[Any]:
        """Rows that are in the file; `flush` first if this transaction may have changed them."""
        return self._connection.execute(sql, values).fetchall()  # pyright: ignore[reportArgumentType]

    # Executions

    def find(self, execution_id: ExecutionId) -> Held:
        """Raises: ExecutionNotFound."""
        held = self._held.get(execution_id) or self._load(execution_id)
        if held is None:
            raise ExecutionNotFound(execution_id)
        return held

    def exists(self, execution_id: ExecutionId) -> Held | None:
        """The execution if it is in memory, or, when careful, in the file."""
        held = self._held.get(execution_id)
        return self._load(execution_id) if held is None and self.careful else held

    def _load(self, execution_id: ExecutionId) -> Held | None:
        path = id_path(execution_id)
        sql = statements.find("executions", statements.SELECTED, len(path))
        rows = self.select(sql, statements.bottom_up(path))
        return self._hold(execution_id, rows[0]) if rows else None

    def _hold(self, execution_id: ExecutionId, row: Sequence[Any]) -> Held:
        key, parent, segment, *columns = row
        projection = projection_of(columns, self.interned)
        held = Held(key, parent, segment, execution_id, projection)
        held.stored = projection
        held.answered = bool(columns[FLAGS] & ANSWERED)
        self._held[execution_id] = held
        self._ids[key] = execution_id
        return held

    def by_key(self, key: int) -> Held:
        found = self._ids.get(key)
        if found is not None:
            return self._held[found]
        (row,) = self.select(f"SELECT {statements.SELECTED} FROM executions WHERE key = ?", (key,))  # noqa: S608
        parent = self.by_key(row[1]).id if row[1] else None
        return self._hold(joined_id(parent, row[2]), row)

    def add(self, new: NewExecution, parent: Held | None, segment: Segment, entries: bytes) -> None:
        """A new execution, whose id is free as far as is known."""
        held = Held(self._next_key, parent.key if parent else 0, segment, new.id, new.projection)
        self._next_key += 1
        held.new = new
        held.log = entries
        held.entries = len(new.events)
        self._held[new.id] = held
        self._ids[held.key] = new.id
        tags = new.created.tags
        if tags:
            self._rows["tags"] += [(held.key, name, value) for name, value in tags.items()]
        self._touch(held)

    def record(self, held: Held, entries: bytes, count: int, projection: Projection) -> None:
        """Events at the end of the log, and where the execution then stands."""
        if held.new is None:
            row = (held.key, projection.version - count, self.sequence, body(entries, count))
            self._rows["events"].append(row)
        else:
            held.log += entries
            held.entries += count
        self.move(held, projection)

    def move(self, held: Held, projection: Projection) -> None:
        held.projection = projection
        self._touch(held)

    def _touch(self, held: Held) -> None:
        self._touched[held.key] = held
        self.changed.add(held.id)
        if held.projection.due is not None:
            self.pending = True

    def forget_trees(self, tops: Collection[ExecutionId]) -> None:
        """Whatever is known of these top-level executions and of what is below them. They have not changed."""
        for id_ in [id_ for id_ in self._held if id_.partition(".")[0] in tops]:
            held = self._held.pop(id_)
            del self._ids[held.key]

    # Other rows

    def insert(self, table: str, row: tuple[object, ...]) -> None:
        """To be written by the next flush."""
        self._rows[table].append(row)

    def new_delay_key(self) -> int:
        self._next_delay += 1
        return self._next_delay - 1

    # Writing

    def flush(self) -> None:
        """Write all that has changed."""
        new = self.interned.texts[self._persisted + self._interning :]
        if new:
            first = self._persisted + self._interning
            self._insert("interned", list(enumerate(new, first)))
            self._interning += len(new)
        if self._touched:
            self._flush_executions(self._touched.values())
            self._touched = {}
        for table, rows in self._rows.items():
            if rows:
                self._insert(table, rows)
                self._rows[table] = []

    def _flush_executions(self, touched: Iterable[Held]) -> None:
        inserts: list[tuple[object, ...]] = []
        updates: dict[str, list[tuple[object, ...]]] = {"moved": [], "counted": []}
        for held in touched:
            now = held.projection
            if held.new is not None:
                row = projection_row(now, self.interned, answered=held.answered)
                entries = body(held.log, held.entries)
                inserts.append((held.key, held.parent, held.segment, *row, self.sequence, self.sequence, entries))
                held.new, held.log = None, b""
            elif held.stored is not None and _counted_only(held.stored, now):
                updates["counted"].append((held.key, now.version, now.responses, self.sequence))
            else:
                row = projection_row(now, self.interned, answered=held.answered)
                updates["moved"].append((held.key, *row[statements.MOVING], self.sequence))
            held.stored = now
            if isinstance(now.status, Finished):
                del self._held[held.id], self._ids[held.key]
        if inserts:
            self._insert("executions", inserts)
        for name, rows in updates.items():
            for size, values in statements.chunks(rows):
                self.execute(name, statements.update(name, size), values)

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        for size, values in statements.chunks(rows):
            self.execute(table, statements.insert(table, size), values)


_RESERVE = "INSERT INTO counters VALUES ('changes', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def _reserved(connection: sqlite3.Connection) -> int:
    """Up to where earlier processes may have used sequence numbers."""
    row = connection.execute("SELECT value FROM counters WHERE name = 'changes'").fetchone()
    return 0 if row is None else row[0]


def _counted_only(stored: Projection, now: Projection) -> bool:
    """Whether nothing but the version and the number of responses differs."""
    return (
        stored.status == now.status
        and stored.attempts == now.attempts
        and stored.failures == now.failures
        and stored.losses == now.losses
        and stored.lifecycle == now.lifecycle
        and stored.deciding == now.deciding
        and stored.digest == now.digest
    )


def finished_by(events: Sequence[ev.Recorded]) -> ev.Recorded | None:
    """The entry that ends the execution, if these do."""
    return events[-1] if events and isinstance(events[-1].event, ev.Finished) else None
