"""Forking a workflow: another execution begins as a copy of its log up to a version, with the responses it took there.

What was submitted before that version and not consumed is to be created afresh, so that it can end in another way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import (
    DelayId,
    Digest,
    ExecutionId,
    Instant,
    JoinSetId,
    child_id,
    delay_id,
    join_set_of,
    path_of,
)

_ENDINGS = ev.CancelRequested | ev.OutcomeDecided | ev.Finished


class CannotFork(ObeliskError):
    """The message says why, and what is possible."""


@dataclass(frozen=True, slots=True)
class ForkAt:
    """Which execution is to be, from which version on, and on which component (None: the original's)."""

    id: ExecutionId
    version: int
    digest: Digest | None
    now: Instant


@dataclass(frozen=True, slots=True)
class Fork:
    """A new execution; its projection is `core.history.fold` of the two lists."""

    id: ExecutionId
    log: Sequence[ev.Recorded]
    responses: Sequence[ev.Response]
    children: Sequence[tuple[ExecutionId, ExecutionId]]
    """To be created afresh: (its id, the child of the original it stands for)."""
    delays: Sequence[tuple[DelayId, Instant]]
    """To be created afresh, and when they are due."""


def fork(origin: ExecutionId, log: Sequence[ev.Recorded], responses: Sequence[ev.Response], at: ForkAt) -> Fork:
    """The seed is copied, the deadline is as far away as it was, the order of responses is kept.

    An await recorded before the version takes the response along that it got. A relative delay that was not consumed
    begins anew. Raises: CannotFork.
    """
    _check(origin, log, at.version)
    kept = log[: at.version]
    copy = _Copy(origin, at)
    copied = [copy.entry(entry) for entry in kept]
    consumed = copy.consumed(responses)
    restarted = [entry for entry in copy.submitted if entry.id not in consumed]
    wakes = {entry.version: entry.event for entry in restarted if isinstance(entry.event, ev.DelaySubmitted)}
    entries = [msgspec.structs.replace(entry, event=wakes.get(entry.version, entry.event)) for entry in copied]
    delays = [
        (DelayId(copy.own(entry.id)), entry.event.wakes)
        for entry in restarted
        if isinstance(entry.event, ev.DelaySubmitted)
    ]
    children = [
        (ExecutionId(copy.own(entry.id)), ExecutionId(entry.id))
        for entry in restarted
        if isinstance(entry.event, ev.ChildSubmitted)
    ]
    return Fork(at.id, [*entries, *_begun(origin, at)], list(copy.taken(responses, consumed)), children, delays)


def afresh(child: ev.Recorded, now: Instant, deployed: Digest | None) -> ev.Created:
    """What a child of the original was created with, for its twin; it runs on what is deployed now, if it is known."""
    assert isinstance(child.event, ev.Created)
    created = _later(child.event, now - child.at)
    digest = created.digest if created.digest is None or deployed is None else deployed
    return msgspec.structs.replace(created, digest=digest)


def _later(created: ev.Created, microseconds: int) -> ev.Created:
    if created.deadline is None:
        return created
    return msgspec.structs.replace(created, deadline=Instant(created.deadline + microseconds))


def _check(origin: ExecutionId, log: Sequence[ev.Recorded], version: int) -> None:
    created = log[0].event
    assert isinstance(created, ev.Created)
    if created.kind is not ev.ExecutionKind.WORKFLOW:
        raise CannotFork(f"{origin} is no workflow: it has no history to reuse; submit {created.function} again")
    last = next((entry.version for entry in log if isinstance(entry.event, _ENDINGS)), len(log))
    if not 1 <= version <= last:
        raise CannotFork(f"{origin} can be forked at versions 1 to {last}, not at {version}")


def _begun(origin: ExecutionId, at: ForkAt) -> Iterator[ev.Recorded]:
    yield ev.Recorded(at.version, at.now, ev.Forked(origin))
    if at.digest is not None:
        yield ev.Recorded(at.version + 1, at.now, ev.Upgraded(at.digest))


@dataclass(frozen=True, slots=True)
class _Submitted:
    version: int
    id: str
    """Below the original."""
    event: ev.ChildSubmitted | ev.DelaySubmitted
    """As it is if it is created afresh."""


@dataclass(slots=True)
class _Set:
    submitted: int = 0
    awaited: int = 0
    closed: bool = False


@dataclass(slots=True)
class _Copy:
    """What the copied part of a log says of its join sets."""

    origin: ExecutionId
    at: ForkAt
    submitted: list[_Submitted] = field(default_factory=list[_Submitted])
    sets: dict[JoinSetId, _Set] = field(default_factory=dict[JoinSetId, _Set])

    def entry(self, entry: ev.Recorded) -> ev.Recorded:
        """Take note of an entry; the copy of it."""
        match entry.event:
            case ev.Created():
                return msgspec.structs.replace(entry, event=_later(entry.event, self.at.now - entry.at))
            case ev.ChildSubmitted() | ev.DelaySubmitted():
                self._submit(entry.version, entry.event)
            case ev.AwaitedNext(join_set=join_set) | ev.TriedNext(join_set=join_set, pending=False):
                self._set(join_set).awaited += 1
            case ev.JoinSetClosed(join_set=join_set):
                self._set(join_set).closed = True
            case _:
                pass
        return entry

    def _set(self, join_set: JoinSetId) -> _Set:
        return self.sets.setdefault(join_set, _Set())

    def _submit(self, version: int, event: ev.ChildSubmitted | ev.DelaySubmitted) -> None:
        join_set = self._set(event.join_set)
        join_set.submitted += 1
        join_set.awaited += event.join_set.startswith("o:")
        if isinstance(event, ev.ChildSubmitted):
            id_ = child_id(self.origin, event.join_set, join_set.submitted)
        else:
            id_ = delay_id(self.origin, event.join_set, join_set.submitted)
            wakes = Instant(self.at.now + event.asked) if event.relative else event.wakes
            event = msgspec.structs.replace(event, wakes=wakes)
        self.submitted.append(_Submitted(version, id_, event))

    def consumed(self, responses: Sequence[ev.Response]) -> frozenset[str]:
        """Ids of what the copied part awaited, or closed its join set over."""
        arrived: dict[JoinSetId, list[str]] = {}
        for response in responses:
            located = join_set_of(ExecutionId(response.id))
            assert located is not None
            arrived.setdefault(located[0], []).append(response.id)
        found: set[str] = set()
        for name, join_set in self.sets.items():
            ids = arrived.get(name, [])
            closed = join_set.closed and len(ids) >= join_set.submitted
            found.update(ids if closed else ids[: join_set.awaited])
        return frozenset(found)

    def taken(self, responses: Sequence[ev.Response], consumed: frozenset[str]) -> Iterator[ev.Response]:
        position = 0
        for response in responses:
            if response.id in consumed:
                position += 1
                yield msgspec.structs.replace(response, position=position, id=self.own(response.id))

    def own(self, id_: str) -> str:
        """An id below the original as the same id below the fork."""
        prefix, path = id_[: id_.index("_") + 1], path_of(ExecutionId(id_))
        return prefix + path_of(self.at.id) + path.removeprefix(path_of(self.origin))
