"""The writing calls of whole trees.

What is pruned is first cut off: its top-level row gets minus its own key as parent, so that no id leads to it. What is
below is deleted later, leaves first, so that what is left always hangs together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant, parent_of
from obelisk_runtime.core.projection import Finished
from obelisk_runtime.ports.store import ExecutionNotFound, IdConflict, NewExecution
from obelisk_runtime.ports.trees import Grafted
from obelisk_runtime.storage.codec import EventCodec, Segment, body, packed_segment
from obelisk_runtime.storage.sqlite.ledger import Held, Ledger
from obelisk_runtime.storage.sqlite.queue import ANSWER_CANCELLED, ANSWER_DUE

ENTRIES_MAX = 64
"""Entries of a grafted log in a row."""
TOPS_MAX = 64
"""Pruned trees looked up at once."""


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
        ledger.insert("events", (key, version, entries))
    sources = _add_delays(ledger, key, grafted)
    for response in grafted.responses:
        child = held.get(ExecutionId(response.id))
        if child is not None:
            row = _child_response(ledger, child, response, ends[child.id])
        else:
            row = _other_response(ledger, sources.get(response.id, 0), response)
        ledger.insert("responses", (key, response.position, *row))
    for record in grafted.logs:
        row = (record.run, record.ordinal, record.at, record.level.value, record.source, record.message)
        ledger.insert("logs", (key, *row))


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
    found: dict[ExecutionId, int] = {}
    for id_ in trees:
        try:
            held = ledger.find(id_)
        except ExecutionNotFound:
            continue
        status = held.projection.status
        if not held.parent and isinstance(status, Finished) and status.at < before:
            found[id_] = held.key
    marks = ", ".join(map(str, found.values()))
    kept = {key for (key,) in ledger.select(f"SELECT execution FROM holds WHERE execution IN ({marks})")}  # noqa: S608
    pruned = {id_: key for id_, key in found.items() if key not in kept}
    ledger.forget_trees(found.keys())
    cut = ", ".join(map(str, pruned.values()))
    ledger.execute("prune", f"UPDATE executions SET parent = -key WHERE key IN ({cut})")  # noqa: S608 - integers
    return list(pruned)


def sweep(ledger: Ledger, limit: int) -> int:
    ledger.flush()
    freed = 0
    while freed < limit:
        tops = ledger.select("SELECT key FROM executions WHERE parent < 0 LIMIT ?", (TOPS_MAX,))
        if not tops:
            break
        freed += _sweep([key for (key,) in tops], ledger, limit - freed)
    return freed


def _sweep(keys: list[int], ledger: Ledger, limit: int) -> int:
    """Delete what is below these executions, then themselves; stops after so many rows."""
    freed = 0
    while keys and freed < limit:
        children = ledger.select("SELECT key FROM executions WHERE parent = ? LIMIT ?", (keys[-1], limit - freed))
        if children:
            keys += [key for (key,) in children]
        else:
            rows = _delete(ledger, keys[-1], limit - freed)
            freed += abs(rows)
            if rows > 0:
                keys.pop()
    return freed


def _delete(ledger: Ledger, key: int, limit: int) -> int:
    """How many rows it was; as a negative number if it stopped before the end."""
    freed = 0
    for sql in _DELETES:
        freed += ledger.execute("sweep", sql, (key, limit - freed)).rowcount
        if freed >= limit:
            return -freed
    ((log, created),) = ledger.select("SELECT log, created FROM executions WHERE key = ?", (key,))
    first = ledger.codec.decode(log, created, 0)[0].event
    assert isinstance(first, ev.Created)
    for name, value in (first.tags or {}).items():
        ledger.execute("sweep", "DELETE FROM tags WHERE name = ? AND value = ? AND execution = ?", (name, value, key))
    ledger.execute("sweep", "DELETE FROM executions WHERE key = ?", (key,))
    return freed + 1


def _delete_some(table: str, owner: str, place: str) -> str:
    some = f"SELECT {place} FROM {table} WHERE {owner} = ?1 LIMIT ?2"  # noqa: S608 - constants
    return f"DELETE FROM {table} WHERE {owner} = ?1 AND {place} IN ({some})"  # noqa: S608 - constants


_DELETES = (
    _delete_some("events", "execution", "version"),
    _delete_some("responses", "parent", "position"),
    _delete_some("logs", "execution", "key"),
    _delete_some("delays", "parent", "key"),
)
