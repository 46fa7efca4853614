"""The writing calls of executions and of the catalog, each as one change of the ledger.

Each checks everything that can refuse it before it changes anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import TypeVar

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId, Instant, join_set_of, parent_of
from obelisk_runtime.ports import store as port
from obelisk_runtime.storage.codec import EventCodec, Segment, packed_segment
from obelisk_runtime.storage.sqlite.ledger import Held, Ledger, finished_by

_Record = TypeVar("_Record", port.LogRecord, port.RequestRecord)


@dataclass(frozen=True, slots=True)
class EncodedExecution:
    """A new execution with its events as bytes: encoded before it is queued."""

    new: port.NewExecution
    segment: Segment
    entries: bytes

    @classmethod
    def of(cls, new: port.NewExecution, codec: EventCodec) -> "EncodedExecution":
        entries = codec.entries(new.events, new.projection.created)
        return cls(new, packed_segment(new.id.rpartition(".")[2]) if "." in new.id else new.id[2:], entries)


def create(ledger: Ledger, encoded: EncodedExecution) -> port.CreateOutcome:
    if existed(ledger, encoded.new):
        return port.CreateOutcome.EXISTED
    ledger.add(encoded.new, None, encoded.segment, encoded.entries)
    return port.CreateOutcome.CREATED


def create_all(ledger: Ledger, encoded: Sequence[EncodedExecution]) -> list[port.CreateOutcome]:
    outcomes = [
        port.CreateOutcome.EXISTED if existed(ledger, item.new) else port.CreateOutcome.CREATED for item in encoded
    ]
    for item, outcome in zip(encoded, outcomes, strict=True):
        if outcome is port.CreateOutcome.CREATED:
            ledger.add(item.new, None, item.segment, item.entries)
    return outcomes


def existed(ledger: Ledger, new: port.NewExecution) -> bool:
    """Whether this top-level execution was created before. Raises: IdConflict if its content was another one."""
    existing = ledger.exists(new.id)
    if existing is None:
        return False
    created = existing.new.created if existing.new is not None else created_of(ledger, existing)
    if created.function != new.created.function:
        raise port.IdConflict(new.id, "another function")
    if created.params != new.created.params:
        raise port.IdConflict(new.id, "other parameters")
    return True


def created_of(ledger: Ledger, held: Held) -> ev.Created:
    """The first event of an execution that is in the file."""
    ((log,),) = ledger.select("SELECT log FROM executions WHERE key = ?", (held.key,))
    created = ledger.codec.decode(log, held.projection.created, 0)[0].event
    assert isinstance(created, ev.Created)
    return created


@dataclass(frozen=True, slots=True)
class EncodedAppend:
    append: port.Append
    entries: bytes
    children: Sequence[EncodedExecution]
    scheduled: Sequence[EncodedExecution]

    @classmethod
    def of(cls, append: port.Append, codec: EventCodec) -> "EncodedAppend":
        entries = codec.entries(append.events, append.projection.created)
        children = [EncodedExecution.of(child, codec) for child in append.children]
        scheduled = [EncodedExecution.of(new, codec) for new in append.scheduled]
        return cls(append, entries, children, scheduled)


def append(ledger: Ledger, encoded: EncodedAppend) -> ev.Response | None:
    append = encoded.append
    held = ledger.find(append.id)
    _check_fence(held.projection, append)
    if append.children or append.delays:
        _check_free(ledger, held, append)
    parent = None if append.response is None else _check_response(ledger, held, append.response)
    scheduled = [new for new in encoded.scheduled if not existed(ledger, new.new)]
    if append.events:
        ledger.record(held, encoded.entries, len(append.events), append.projection)
    else:
        ledger.move(held, append.projection)
    for child in encoded.children:
        ledger.add(child.new, held, child.segment, child.entries)
    for new in scheduled:
        ledger.add(new.new, None, new.segment, new.entries)
    for delay in append.delays:
        ledger.insert("delays", (ledger.new_delay_key(), held.key, _segment(delay.id), delay.wakes))
        ledger.pending = True
    if append.response is None or parent is None:
        return None
    return respond(ledger, held, parent, append.response, finished_by(append.events))


def _segment(id_: str) -> Segment:
    return packed_segment(id_.rpartition(".")[2])


def _check_fence(found: proj.Projection, append: port.Append) -> None:
    if found.version != append.expected_version or isinstance(found.status, proj.Finished):
        raise port.VersionConflict(append.id, append.expected_version, found.version)
    if append.expected_responses not in (None, found.responses):
        raise port.ResponsesMoved(append.id, append.expected_responses, found.responses)


def _check_free(ledger: Ledger, held: Held, append: port.Append) -> None:
    """Raises: IdConflict for a child or delay that exists. If not careful, one that is only in the file is not seen."""
    seen: set[str] = set()
    if ledger.careful and append.delays:
        ledger.flush()
    for child in append.children:
        if child.id in seen or ledger.exists(child.id) is not None:
            raise port.IdConflict(child.id, "other content")
        seen.add(child.id)
    for delay in append.delays:
        if delay.id in seen or (ledger.careful and _delay_exists(ledger, held, _segment(delay.id))):
            raise port.IdConflict(delay.id, "other content")
        seen.add(delay.id)


def _delay_exists(ledger: Ledger, held: Held, segment: Segment) -> bool:
    return bool(ledger.select("SELECT 1 FROM delays WHERE parent = ? AND segment = ?", (held.key, segment)))


def _check_response(ledger: Ledger, held: Held, response: ev.Response) -> Held:
    """The parent it goes to. Raises: IdConflict, ExecutionNotFound."""
    assert response.id == held.id
    if held.answered:
        raise port.IdConflict(response.id, "a response")
    parent = parent_of(held.id)
    assert parent is not None
    return ledger.find(parent)


def respond(
    ledger: Ledger, held: Held, parent: Held, response: ev.Response, finished: ev.Recorded | None
) -> ev.Response:
    """Deliver a child's response. `finished` is its last event; a result that equals it is not stored again."""
    at: int | None = response.at
    result: bytes | None = None
    match finished, response.result:
        case ev.Recorded(event=ev.Finished(outcome=outcome)), ev.ChildFinished(outcome=answered) if outcome == answered:
            at = None if finished.at == response.at else at
        case _:
            result = ledger.codec.result(response.result)
    held.answered = True
    return deliver(ledger, parent, response, (held.key, at, result))


def deliver(
    ledger: Ledger, parent: Held, response: ev.Response, row: tuple[int, Instant | int | None, bytes | None]
) -> ev.Response:
    """A response at the parent's next position; `row` is its source, time and result."""
    located = join_set_of(ExecutionId(response.id))
    assert located is not None
    ledger.move(parent, proj.deliver(parent.projection, located[0]))
    position = parent.projection.responses
    ledger.insert("responses", (parent.key, position, *row))
    return ev.Response(position=position, at=response.at, id=response.id, result=response.result)


def write_logs(ledger: Ledger, records: Sequence[port.LogRecord]) -> None:
    for key, record in _with_keys(ledger, records):
        insert_log(ledger, key, record)


def write_requests(ledger: Ledger, records: Sequence[port.RequestRecord]) -> None:
    for key, record in _with_keys(ledger, records):
        insert_request(ledger, key, record)


def insert_log(ledger: Ledger, key: int, record: port.LogRecord) -> None:
    row = (record.run, record.ordinal, record.at, record.level.value, record.source, record.message)
    ledger.insert("logs", (key, *row))


def insert_request(ledger: Ledger, key: int, record: port.RequestRecord) -> None:
    ledger.insert("requests", (key, record.run, record.ordinal, int(record.more), *astuple(record.made)))


def _with_keys(ledger: Ledger, records: Sequence[_Record]) -> Iterator[tuple[int, _Record]]:
    """Those of executions that there are."""
    for record in records:
        try:
            yield ledger.find(record.execution_id).key, record
        except port.ExecutionNotFound:
            continue


def put_component(ledger: Ledger, digest: int, wasm: bytes) -> None:
    ledger.flush()
    ledger.execute("components", "INSERT INTO components VALUES (?, ?) ON CONFLICT DO NOTHING", (digest, wasm))
