"""Where an execution stands: a small value computed from its log and responses, stored beside them.

`apply` folds the events of any execution; the waiting of a workflow on its join sets is added by `core.history`, which
knows them. `deliver` is the rule by which a response changes a parent, used by every store.
"""

from typing import assert_never

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import Digest, ExecutorId, Instant, JoinSetId
from obelisk_runtime.core.names import Ffqn


class _Status(msgspec.Struct, frozen=True, array_like=True):
    pass


class Pending(_Status, frozen=True, tag=1):
    """A workflow that was let go of, or unblocked while nobody held it, is due since its creation: at once, the oldest
    first, whatever order its log and responses came in and whatever the clock did."""

    due: Instant


class Locked(_Status, frozen=True, tag=2):
    executor: ExecutorId


class Blocked(_Status, frozen=True, tag=3):
    """A workflow waits for `remaining` more responses of a join set; None: of all, because it is ending.

    `executor` holds the suspended guest in memory; None if nobody does. `orphaned`: nobody does and somebody should
    take it up again, since its executor was lost; else it may rest until a response comes.
    """

    join_set: JoinSetId | None
    remaining: int
    executor: ExecutorId | None
    orphaned: bool = False


class Finished(_Status, frozen=True, tag=4):
    """`result` is `ok`, `err` or the label of a failure kind."""

    result: str
    at: Instant


Status = Pending | Locked | Blocked | Finished


class Lifecycle(msgspec.Struct, frozen=True):
    """Beside the status: what an operator asked for. What is about to end is paused no longer."""

    paused: bool = False
    cancelling: bool = False

    @property
    def label(self) -> str:
        return "paused" if self.paused else "cancelling" if self.cancelling else "active"


ACTIVE = Lifecycle()


class Projection(msgspec.Struct, frozen=True, kw_only=True):
    kind: ev.ExecutionKind
    function: Ffqn
    digest: Digest | None
    created: Instant
    status: Status
    lifecycle: Lifecycle = ACTIVE
    version: int
    """How many events the log has; the next append must expect it (the fencing token)."""
    responses: int = 0
    """How many responses were delivered to it."""
    attempts: int = 0
    """How often it was locked."""
    failures: int = 0
    """Attempts that failed or timed out: they use up the retry budget."""
    traps: int = 0
    timeouts: int = 0
    """Those of the failures that were traps or timeouts; the others were errs."""
    losses: int = 0
    """Attempts lost with an executor that died: a budget of their own. Those let go of at a shutdown do not count."""
    deciding: bool = False
    """The outcome is decided; only closing remains."""
    deadline: Instant | None = None
    """When it is ended if it has not ended by then."""

    @property
    def due(self) -> Instant | None:
        """From when on an executor may lock it; None: not as things stand. A store's claim goes by this alone."""
        if self.lifecycle.paused or self.kind is ev.ExecutionKind.STUB:
            return None
        match self.status:
            case Pending(due=due):
                return due
            case Blocked(orphaned=orphaned):
                return self.created if orphaned else None
            case Locked() | Finished():
                return None

    @property
    def expires(self) -> Instant | None:
        """The deadline, while reaching it would still end the execution."""
        return None if self.deciding or isinstance(self.status, Finished) else self.deadline

    @property
    def holder(self) -> ExecutorId | None:
        match self.status:
            case Locked(executor=executor) | Blocked(executor=executor):
                return executor
            case _:
                return None


def result_label(outcome: ev.Outcome) -> str:
    match outcome:
        case ev.Ok():
            return "ok"
        case ev.Err():
            return "err"
        case ev.Failed(kind=kind):
            return kind.label


def begin(created: ev.Created, at: Instant) -> Projection:
    """The projection after the first event."""
    return Projection(
        kind=created.kind,
        function=created.function,
        digest=created.digest,
        created=at,
        status=Pending(created.due if created.due is not None else at),
        version=1,
        deadline=created.deadline,
    )


def apply(projection: Projection, event: ev.Event, at: Instant) -> Projection:  # noqa: C901, PLR0911, PLR0912 - one case a form
    """The projection after one more event; for a history entry only the version moves (see `core.history`)."""
    version = projection.version + 1
    replace = msgspec.structs.replace
    match event:
        case ev.Locked():
            status = _held(projection.status, event.executor)
            return replace(projection, version=version, status=status, attempts=projection.attempts + 1)
        case ev.Unlocked():
            return replace(projection, version=version, status=_released(projection, event))
        case ev.AttemptFailed() | ev.AttemptTimedOut() | ev.AttemptLost():
            return replace(projection, version=version, status=Pending(event.due), **_counted(projection, event))
        case ev.Paused():
            lifecycle = replace(projection.lifecycle, paused=True)
            return replace(projection, version=version, lifecycle=lifecycle)
        case ev.Resumed():
            lifecycle = replace(projection.lifecycle, paused=False)
            return replace(projection, version=version, lifecycle=lifecycle)
        case ev.CancelRequested():
            return replace(projection, version=version, lifecycle=Lifecycle(cancelling=True))
        case ev.OutcomeDecided():
            lifecycle = replace(projection.lifecycle, paused=False)
            return replace(projection, version=version, lifecycle=lifecycle, deciding=True)
        case ev.Finished():
            return replace(projection, version=version, status=Finished(result_label(event.outcome), at))
        case ev.Upgraded():
            return replace(projection, version=version, digest=event.digest)
        case ev.HistoryWarned():
            return replace(projection, version=version)
        case ev.Forked():
            return replace(projection, version=version, status=Pending(projection.created), lifecycle=ACTIVE)
        case ev.Created():
            raise AssertionError("a log has one created event, at version 0")
        case (
            ev.JoinSetCreated()
            | ev.ChildSubmitted()
            | ev.SubmissionRefused()
            | ev.DelaySubmitted()
            | ev.AwaitedNext()
            | ev.JoinSetClosed()
            | ev.RandomDrawn()
            | ev.TriedNext()
            | ev.IdGenerated()
            | ev.Scheduled()
            | ev.Stubbed()
        ):
            return replace(projection, version=version)
        case _:
            assert_never(event)


def _counted(projection: Projection, end: ev.AttemptFailed | ev.AttemptTimedOut | ev.AttemptLost) -> dict[str, int]:
    """The counters that the end of an attempt moves."""
    match end:
        case ev.AttemptFailed(outcome=ev.Failed()):
            return {"failures": projection.failures + 1, "traps": projection.traps + 1}
        case ev.AttemptFailed():
            return {"failures": projection.failures + 1}
        case ev.AttemptTimedOut():
            return {"failures": projection.failures + 1, "timeouts": projection.timeouts + 1}
        case ev.AttemptLost():
            return {"losses": projection.losses + end.died}
        case _:
            assert_never(end)


def _held(status: Status, executor: ExecutorId) -> Status:
    if isinstance(status, Blocked):
        return Blocked(status.join_set, status.remaining, executor)
    return Locked(executor)


def _released(projection: Projection, event: ev.Unlocked) -> Status:
    status = projection.status
    match status:
        case Locked():
            return Pending(projection.created)
        case Blocked():
            return Blocked(status.join_set, status.remaining, None, orphaned=not event.parked)
        case Pending() | Finished():
            return status


def deliver(projection: Projection, join_set: JoinSetId) -> Projection:
    """The parent's projection after one more response, of that join set. Its version does not move."""
    status = projection.status
    if isinstance(status, Blocked) and status.join_set in (None, join_set):
        status = _unblock(projection, status)
    return msgspec.structs.replace(projection, responses=projection.responses + 1, status=status)


def _unblock(projection: Projection, status: Blocked) -> Status:
    if status.remaining > 1:
        return msgspec.structs.replace(status, remaining=status.remaining - 1)
    return Pending(projection.created) if status.executor is None else Locked(status.executor)
