"""How executions are laid out in rows: short forms of events, projections, ids and texts that repeat.

An entry of a log is `[microseconds since the execution was created, event]` in msgpack. Its version is not in it: a row
knows the version of its first entry. `Ffqn`, executors and digests are integers of `Interned`; `Created`, `Locked`
and `Upgraded` have stored twins for that, with the same fields in the same order.
"""

import re
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, assert_never, get_args

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import (
    DELAY_PREFIX,
    EXECUTION_PREFIX,
    DelayId,
    Digest,
    ExecutionId,
    ExecutorId,
    Instant,
    JoinSetId,
)
from obelisk_runtime.core.names import Ffqn

PAUSED, CANCELLING, DECIDING, ANSWERED = 1, 2, 4, 8
"""Bits of the column `flags`; ANSWERED: it has responded to its parent."""


class Interned:
    """Texts that repeat as small integers from 1. Only the event loop adds; other threads may read."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.texts = ["", *texts]
        self._numbers = {text: number for number, text in enumerate(self.texts)}

    def number(self, text: str) -> int:
        """The number of a text, a new one if it has none yet."""
        found = self._numbers.get(text)
        if found is None:
            found = len(self.texts)
            self.texts.append(text)
            self._numbers[text] = found
        return found

    def known(self, text: str) -> int:
        """The number of a text, 0 if it has none."""
        return self._numbers.get(text, 0)

    def optional(self, text: str | None) -> int | None:
        return None if text is None else self.number(text)

    def function(self, number: int) -> Ffqn:
        return Ffqn.parse(self.texts[number])

    def executor(self, number: int) -> ExecutorId:
        return ExecutorId(self.texts[number])

    def digest(self, number: int | None) -> Digest | None:
        return None if number is None else Digest(self.texts[number])


# Events


class _StoredCreated(msgspec.Struct, frozen=True, array_like=True, tag=1):
    kind: ev.ExecutionKind
    function: Ffqn
    params: str
    digest: int | None = None
    seed: bytes | None = None
    due: Instant | None = None
    deadline: Instant | None = None
    tags: dict[str, str] | None = None


class _StoredLocked(msgspec.Struct, frozen=True, array_like=True, tag=2):
    executor: int
    attempt: int
    digest: int | None = None


class _StoredUpgraded(msgspec.Struct, frozen=True, array_like=True, tag=12):
    digest: int


_TWINS: dict[Any, Any] = {ev.Created: _StoredCreated, ev.Locked: _StoredLocked, ev.Upgraded: _StoredUpgraded}
_FORMS: Any = reduce(lambda union, form: union | form, (_TWINS.get(form, form) for form in get_args(ev.Event)))
_RESULT: Any = ev.ChildFinished | ev.DelayDue | ev.DelayCancelled
_ENTRIES: Any = list[tuple[int, _FORMS]]
_FOREIGN_RESULT: Any = tuple[int | str, _RESULT]


class EventCodec:
    """Events to bytes and back."""

    def __init__(self, interned: Interned) -> None:
        self._interned = interned
        self._encode = msgspec.msgpack.Encoder(enc_hook=self._number).encode
        self._decode = msgspec.msgpack.Decoder(_ENTRIES, dec_hook=self._function).decode
        self._decode_result = msgspec.msgpack.Decoder(_RESULT).decode
        self._decode_foreign = msgspec.msgpack.Decoder(_FOREIGN_RESULT).decode

    def entries(self, events: Sequence[ev.Recorded], created: Instant) -> bytes:
        """Entries of a log one after the other, to be joined to others and finished by `body`."""
        encode, stored = self._encode, self._stored
        if len(events) == 1:
            return encode((events[0].at - created, stored(events[0].event)))
        return b"".join([encode((entry.at - created, stored(entry.event))) for entry in events])

    def decode(self, body: bytes, created: Instant, version: int) -> list[ev.Recorded]:
        """The entries of a body, whose first one has this version."""
        return [
            ev.Recorded(version=number, at=Instant(created + micros), event=self._restored(event))
            for number, (micros, event) in enumerate(self._decode(body), version)
        ]

    def result(self, result: ev.ChildFinished | ev.DelayDue | ev.DelayCancelled) -> bytes:
        return self._encode(result)

    def foreign_result(self, segment: "Segment", result: ev.ChildFinished | ev.DelayDue | ev.DelayCancelled) -> bytes:
        """The result of something that is not in this store, with the segment of its id."""
        return self._encode((segment, result))

    def decode_foreign(self, body: bytes) -> "tuple[Segment, ev.ChildFinished | ev.DelayDue | ev.DelayCancelled]":
        return self._decode_foreign(body)

    def decode_result(self, body: bytes) -> ev.ChildFinished | ev.DelayDue | ev.DelayCancelled:
        return self._decode_result(body)

    def _stored(self, event: ev.Event) -> Any:
        optional = self._interned.optional
        if type(event) is ev.Locked:
            return _StoredLocked(self._interned.number(event.executor), event.attempt, optional(event.digest))
        if type(event) is ev.Created:
            return _StoredCreated(
                kind=event.kind,
                function=event.function,
                params=event.params,
                digest=optional(event.digest),
                seed=event.seed,
                due=event.due,
                deadline=event.deadline,
                tags=event.tags,
            )
        if type(event) is ev.Upgraded:
            return _StoredUpgraded(self._interned.number(event.digest))
        return event

    def _restored(self, form: Any) -> ev.Event:
        interned = self._interned
        if isinstance(form, _StoredLocked):
            executor = interned.executor(form.executor)
            return ev.Locked(executor=executor, attempt=form.attempt, digest=interned.digest(form.digest))
        if isinstance(form, _StoredCreated):
            fields: dict[str, Any] = msgspec.structs.asdict(form)
            fields["digest"] = interned.digest(form.digest)
            return ev.Created(**fields)
        if isinstance(form, _StoredUpgraded):
            return ev.Upgraded(digest=Digest(interned.texts[form.digest]))
        return form

    def _number(self, function: Any) -> int:
        return self._interned.number(function.text)

    def _function(self, _type: type, number: Any) -> Ffqn:
        return self._interned.function(number)


def body(entries: bytes, count: int) -> bytes:
    """A msgpack array of so many entries."""
    if count < 1 << 4:
        return bytes((0x90 | count,)) + entries
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big") + entries
    return b"\xdd" + count.to_bytes(4, "big") + entries


# Projections

PROJECTION_COLUMNS = (
    "kind",
    "function",
    "created",
    "deadline",
    "digest",
    "flags",
    "version",
    "responses",
    "attempts",
    "failures",
    "traps",
    "timeouts",
    "losses",
    "status",
    "due",
    "holder",
    "join_set",
    "remaining",
    "finished",
    "result",
)
"""`due` is set for what is pending or orphaned, also if it is paused; `finished` counts microseconds from `created`."""
FLAGS = PROJECTION_COLUMNS.index("flags")
_STATUS = PROJECTION_COLUMNS.index("status")
"""The first of the columns of the status."""
PENDING, LOCKED, BLOCKED, FINISHED = 1, 2, 3, 4
"""Values of the column `status`."""


def projection_row(projection: proj.Projection, interned: Interned, *, answered: bool) -> tuple[object, ...]:
    """The values of PROJECTION_COLUMNS."""
    return (
        int(projection.kind),
        interned.number(projection.function.text),
        projection.created,
        projection.deadline,
        interned.optional(projection.digest),
        flags(projection) | (ANSWERED if answered else 0),
        projection.version,
        projection.responses,
        projection.attempts,
        projection.failures,
        projection.traps,
        projection.timeouts,
        projection.losses,
        *_status_row(projection, interned),
    )


def flags(projection: proj.Projection) -> int:
    lifecycle = projection.lifecycle
    return (
        (PAUSED if lifecycle.paused else 0)
        | (CANCELLING if lifecycle.cancelling else 0)
        | (DECIDING if projection.deciding else 0)
    )


def _status_row(projection: proj.Projection, interned: Interned) -> tuple[object, ...]:
    match projection.status:
        case proj.Pending(due):
            return PENDING, due, None, None, None, None, None
        case proj.Locked(executor):
            return LOCKED, None, interned.number(executor), None, None, None, None
        case proj.Blocked(join_set, remaining, executor, orphaned):
            due = projection.created if orphaned else None
            return BLOCKED, due, interned.optional(executor), join_set, remaining, None, None
        case proj.Finished(result, at):
            return FINISHED, None, None, None, None, at - projection.created, result
        case _:
            assert_never(projection.status)


def projection_of(row: Sequence[Any], interned: Interned) -> proj.Projection:
    """From the values of PROJECTION_COLUMNS."""
    kind, function, created, deadline, digest, bits, version, responses, attempts, *ended = row[:_STATUS]
    failures, traps, timeouts, losses = ended
    return proj.Projection(
        kind=ev.ExecutionKind(kind),
        function=interned.function(function),
        digest=interned.digest(digest),
        created=Instant(created),
        status=_status_of(row[_STATUS:], created, interned),
        lifecycle=proj.Lifecycle(paused=bool(bits & PAUSED), cancelling=bool(bits & CANCELLING)),
        version=version,
        responses=responses,
        attempts=attempts,
        failures=failures,
        traps=traps,
        timeouts=timeouts,
        losses=losses,
        deciding=bool(bits & DECIDING),
        deadline=None if deadline is None else Instant(deadline),
    )


def _status_of(row: Sequence[Any], created: Instant, interned: Interned) -> proj.Status:
    status, due, holder, join_set, remaining, finished, result = row
    if status == PENDING:
        return proj.Pending(Instant(due))
    if status == FINISHED:
        return proj.Finished(result, Instant(created + finished))
    executor = None if holder is None else interned.executor(holder)
    if status == BLOCKED:
        return proj.Blocked(join_set and JoinSetId(join_set), remaining, executor, orphaned=due is not None)
    assert status == LOCKED
    assert executor is not None
    return proj.Locked(executor)


# Ids

Segment = int | str
"""The part of an id after its parent's: the ULID of a top-level execution, or `<join set>_<index>`.

`o:<n>_1` is the integer n and `g:<n>_<index>` is n * 2^32 + index: short, and ascending as they are made.
"""

_GENERATED = 1 << 32
_SHORT = re.compile(r"(?:o:([1-9][0-9]{0,8})_1|g:([1-9][0-9]{0,8})_([1-9][0-9]{0,8}))")


def packed_segment(text: str) -> Segment:
    match = _SHORT.fullmatch(text)
    if match is None:
        return text
    one_off, generated, index = match.groups()
    return int(one_off) if one_off else int(generated) * _GENERATED + int(index)


def segment_text(segment: Segment) -> str:
    if isinstance(segment, str):
        return segment
    if segment < _GENERATED:
        return f"o:{segment}_1"
    number, index = divmod(segment, _GENERATED)
    return f"g:{number}_{index}"


SEGMENT_TEXT = (
    "CASE WHEN typeof({0}) = 'text' THEN {0} WHEN {0} < 4294967296 THEN 'o:' || {0} || '_1' "
    "ELSE 'g:' || ({0} >> 32) || '_' || ({0} & 4294967295) END"
)
"""`segment_text` in SQL, to be formatted with the column."""


def id_path(text: str) -> list[Segment]:
    """The segments of an id of an execution or a delay, from the top."""
    top, *rest = text.partition("_")[2].split(".")
    return [top, *map(packed_segment, rest)]


def joined_id(parent: ExecutionId | None, segment: Segment) -> ExecutionId:
    if parent is None:
        return ExecutionId(f"{EXECUTION_PREFIX}{segment}")
    return ExecutionId(f"{parent}.{segment_text(segment)}")


def joined_delay_id(parent: ExecutionId, segment: Segment) -> DelayId:
    return DelayId(f"{DELAY_PREFIX}{parent.removeprefix(EXECUTION_PREFIX)}.{segment_text(segment)}")
