"""The writing calls of whole trees.

What is pruned is first cut off: its top-level row gets minus its own key as parent, so that no id leads to it. What is
below is deleted later, leaves first, so that what is left always hangs together.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant, parent_of
from obelisk_runtime.ports.store import ExecutionNotFound, Grafted, IdConflict, NewExecution
from obelisk_runtime.storage.codec import FINISHED, EventCodec, Segment, body, packed_segment
from obelisk_runtime.storage.sqlite import writes
from obelisk_runtime.storage.sqlite.ledger import Held, Ledger
from obelisk_runtime.storage.sqlite.queue import ANSWER_CANCELLED, ANSWER_DUE

ROWS_BETWEEN_LOOKS = 20
"""Rows that are deleted before a look at the clock."""
SLICE_SECONDS = 0.005
"""How long a tree is encoded before others have their turn of the event loop."""
ENTRIES_MAX = 64
"""Entries of a grafted log in a row."""


@dataclass(frozen=True, slots=True)
class EncodedGraft:
    """A grafted execution; the bodies are encoded before it is queued."""

    grafted: Grafted
    segment: Segment
    first: bytes
    bodies: Sequence[tuple[int, bytes]]
    """(version of the first entry, entries) of the rest of the log."""

    @classmethod
    def of(cls, grafted: Grafted, codec: EventCodec) -> "EncodedGraft":
        created = grafted.projection.created
        bodies: list[tuple[int, bytes]] = []
        for start in range(1, len(grafted.log), ENTRIES_MAX):
            entries = grafted.log[start : start + ENTRIES_MAX]
            bodies.append((start, body(codec.entries(entries, created), len(entries))))
        segment = packed_segment(_last(grafted.id)) if "." in grafted.id else grafted.id.partition("_")[2]
        return cls(grafted, segment, codec.entries(grafted.log[:1], created), bodies)


class Encoding:
    """A tree that is encoded slice by slice, on the event loop: only that adds to what is interned."""

    def __init__(self, tree: Sequence[Grafted], codec: EventCodec) -> None:
        self._tree = tree
        self._codec = codec
        self.done: list[EncodedGraft] = []

    def go_on(self) -> bool:
        """Encode for a slice of time, at least one execution. True once all of the tree is `done`."""
        until = time.perf_counter() + SLICE_SECONDS
        for grafted in self._tree[len(self.done) :]:
            self.done.append(EncodedGraft.of(grafted, self._codec))
            if time.perf_counter() >= until:
                break
        return len(self.done) == len(self._tree)


def _last(id_: str) -> str:
    return id_.rpartition(".")[2]


def graft(ledger: Ledger, tree: Sequence[EncodedGraft]) -> None:
    top = tree[0].grafted
    try:
        ledger.find(top.id)
    except ExecutionNotFound:
        pass
    else:
        raise IdConflict(top.id, "another history")
    answered = {response.id for encoded in tree for response in encoded.grafted.responses}
    held: dict[ExecutionId, Held] = {}
    for encoded in tree:
        id_ = encoded.grafted.id
        parent = parent_of(id_)
        assert (parent is None) is (encoded is tree[0])
        held[id_] = _add(ledger, encoded, None if parent is None else held[parent])
        held[id_].answered = id_ in answered
    ends = {encoded.grafted.id: encoded.grafted.log[-1] for encoded in tree}
    for encoded in tree:
        _add_rest(ledger, encoded, held, ends)


def _add(ledger: Ledger, encoded: EncodedGraft, parent: Held | None) -> Held:
    grafted = encoded.grafted
    new = NewExecution(grafted.id, grafted.log[:1], grafted.projection)
    ledger.add(new, parent, encoded.segment, encoded.first)
    return ledger.find(grafted.id)


def _add_rest(
    ledger: Ledger, encoded: EncodedGraft, held: dict[ExecutionId, Held], ends: dict[ExecutionId, ev.Recorded]
) -> None:
    grafted = encoded.grafted
    key = held[grafted.id].key
    for version, entries in encoded.bodies:
        ledger.insert("events", (key, version, ledger.sequence, entries))
    sources = _add_delays(ledger, key, grafted)
    for response in grafted.responses:
        child = held.get(ExecutionId(response.id))
        if child is not None:
            row = _child_response(ledger, child, response, ends[child.id])
        else:
            row = _other_response(ledger, sources.get(response.id, 0), response)
        ledger.insert("responses", (key, response.position, *row))
    for record in grafted.logs:
        writes.insert_log(ledger, key, record)
    for record in grafted.requests:
        writes.insert_request(ledger, key, record)


def _add_delays(ledger: Ledger, parent: int, grafted: Grafted) -> dict[str, int]:
    """The sources of responses of these delays."""
    answers = {response.id: response.result for response in grafted.responses}
    sources: dict[str, int] = {}
    for delay in grafted.delays:
        key = ledger.new_delay_key()
        answered = answers.get(delay.id)
        answer = None if answered is None else ANSWER_DUE if isinstance(answered, ev.DelayDue) else ANSWER_CANCELLED
        paused = 1 if delay.paused else None
        ledger.insert("grafted delays", (key, parent, packed_segment(_last(delay.id)), delay.wakes, answer, paused))
        ledger.pending = True
        sources[delay.id] = -key
    return sources


def _child_response(
    ledger: Ledger, child: Held, response: ev.Response, end: ev.Recorded
) -> tuple[int, int | None, bytes | None]:
    same = isinstance(end.event, ev.Finished) and response.result == ev.ChildFinished(end.event.outcome)
    at = None if same and end.at == response.at else response.at
    return child.key, at, None if same else ledger.codec.result(response.result)


def _other_response(ledger: Ledger, source: int, response: ev.Response) -> tuple[int, int | None, bytes | None]:
    """Of a delay that is here; or of something that is not, and then the row says what it was."""
    if source:
        return source, response.at, None
    return 0, response.at, ledger.codec.foreign_result(packed_segment(_last(response.id)), response.result)


def hold(ledger: Ledger, execution_id: ExecutionId, *, held: bool) -> bool:
    key = ledger.find(execution_id).key
    ledger.flush()
    sql = "INSERT INTO holds VALUES (?) ON CONFLICT DO NOTHING" if held else "DELETE FROM holds WHERE execution = ?"
    return bool(ledger.execute("holds", sql, (key,)).rowcount)


def prune(ledger: Ledger, trees: Sequence[ExecutionId], before: Instant) -> list[ExecutionId]:
    ledger.flush()
    segments = {id_.partition("_")[2]: id_ for id_ in trees if parent_of(id_) is None}
    rows = ledger.select(_OLD_OF_THESE, (json.dumps(list(segments)), before))
    pruned = {segments[segment]: key for key, segment in rows}
    ledger.forget_trees(pruned.keys())
    ledger.execute("prune", _CUT, (json.dumps(list(pruned.values())),))
    return list(pruned)


def sweep(ledger: Ledger, limit: int, seconds: float) -> int:
    ledger.flush()
    begun = time.perf_counter()
    swept = 0
    while swept < limit:
        rows = _sweep_some(ledger, min(ROWS_BETWEEN_LOOKS, limit - swept))
        swept += rows
        if not rows or time.perf_counter() - begun >= seconds:
            break
    return swept


def _sweep_some(ledger: Ledger, limit: int) -> int:
    """Goes down level by level, a part of each, and deletes the lowest part: nothing is below that."""
    lowest = ledger.select("SELECT key FROM executions WHERE parent < 0 LIMIT ?", (limit,))
    below = lowest
    while below:
        lowest = below
        below = ledger.select(_BELOW, (_keys(lowest), limit))
    return _delete(ledger, _keys(lowest), limit) if lowest else 0


def _keys(rows: Sequence[Sequence[int]]) -> str:
    return json.dumps([row[0] for row in rows])


def _delete(ledger: Ledger, keys: str, limit: int) -> int:
    """Delete rows of these executions, and if they have no others the executions themselves; how many rows."""
    left = limit
    for sql in _DELETES:
        left -= ledger.execute("sweep", sql, (keys, left)).rowcount
        if not left:
            return limit
    rows = ledger.select(
        "SELECT key, log, created FROM executions WHERE key IN (SELECT value FROM json_each(?))", (keys,)
    )
    for key, log, created in rows[:left]:
        first = ledger.codec.decode(log, created, 0)[0].event
        assert isinstance(first, ev.Created)
        for name, value in (first.tags or {}).items():
            ledger.execute("sweep", _DELETE_TAG, (name, value, key))
    ledger.execute("sweep", _DELETE, (_keys(rows[:left]),))
    return limit - left + len(rows[:left])


def _delete_some(table: str, owner: str, place: str) -> str:
    some = f"SELECT {place} FROM {table} WHERE {owner} IN (SELECT value FROM json_each(?1)) LIMIT ?2"  # noqa: S608
    return f"DELETE FROM {table} WHERE ({place}) IN ({some})"  # noqa: S608 - constants


_OLD_OF_THESE = f"""
SELECT key, segment FROM executions
WHERE parent = 0 AND segment IN (SELECT value FROM json_each(?)) AND status = {FINISHED} AND created + finished < ?
    AND key NOT IN (SELECT execution FROM holds)
ORDER BY key"""  # noqa: S608 - constants
_CUT = "UPDATE executions SET parent = -key WHERE key IN (SELECT value FROM json_each(?))"
_BELOW = "SELECT key FROM executions WHERE parent IN (SELECT value FROM json_each(?)) LIMIT ?"
_DELETES = (
    _delete_some("events", "execution", "execution, version"),
    _delete_some("responses", "parent", "parent, position"),
    _delete_some("logs", "execution", "key"),
    _delete_some("requests", "execution", "key"),
    _delete_some("delays", "parent", "key"),
)
_DELETE_TAG = "DELETE FROM tags WHERE name = ? AND value = ? AND execution = ?"
_DELETE = "DELETE FROM executions WHERE key IN (SELECT value FROM json_each(?))"
