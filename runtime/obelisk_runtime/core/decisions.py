"""What happens to an execution: (projection, intent, now) -> events, or None when the intent does not apply.

Each is appended with the version of the projection it was made from; if that moved meanwhile, it is decided again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Digest, ExecutionId, ExecutorId, Instant, parent_of
from obelisk_runtime.core.retry import LOSSES_MAX, FailureClass, RetryPolicy
from obelisk_runtime.core.types import EnumOf, Primitive, VariantOf, WitType

LOST = "the executor was lost"
SHUT_DOWN = "the executor was shut down"
DEADLINE = "the deadline of the execution was reached"
Free = Callable[[proj.Projection, Instant], ev.LifeEvent | None]
"""`take_over` or `release`."""
_PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class AttemptTimeout:
    """The attempt ran longer than the function's attempt timeout."""


AttemptEnd = ev.Ok | ev.Err | ev.Failed | AttemptTimeout


def lock(projection: proj.Projection, executor: ExecutorId, digest: Digest | None, now: Instant) -> ev.Locked | None:
    """`executor` takes an execution that is due. `digest` is the deployed one, for an activity."""
    if projection.due is None or projection.due > now:
        return None
    pinned = projection.kind.has_children
    return ev.Locked(executor=executor, attempt=projection.attempts + 1, digest=None if pinned else digest)


def end_attempt(
    projection: proj.Projection,
    end: AttemptEnd,
    policy: RetryPolicy,
    now: Instant,
    fraction: float,
    err_type: WitType | None = None,
) -> ev.LifeEvent:
    """An attempt of an activity ended: it is finished, or tried again later.

    `err_type`: of the function's err; None: it has no payload.
    """
    match end:
        case ev.Ok():
            return ev.Finished(outcome=end)
        case ev.Err() if _final(end.value, err_type, policy.final_errors):
            return ev.Finished(outcome=end)
        case ev.Err() | ev.Failed():
            latest = FailureClass.ERR if isinstance(end, ev.Err) else FailureClass.TRAP
            due = policy.due(latest, _failures(projection, latest), now, fraction)
            return ev.Finished(outcome=end) if due is None else ev.AttemptFailed(outcome=end, due=due)
        case AttemptTimeout():
            latest = FailureClass.TIMEOUT
            due = policy.due(latest, _failures(projection, latest), now, fraction)
            if due is not None:
                return ev.AttemptTimedOut(due=due)
            return ev.Finished(
                outcome=ev.Failed(kind=ev.FailureKind.TIMED_OUT, reason="the attempt timeout was reached")
            )
        case _:
            assert_never(end)


def _failures(projection: proj.Projection, latest: FailureClass) -> dict[FailureClass, int]:
    """With the latest one, which the projection does not count yet."""
    counts = {
        FailureClass.ERR: projection.failures - projection.traps - projection.timeouts,
        FailureClass.TRAP: projection.traps,
        FailureClass.TIMEOUT: projection.timeouts,
    }
    counts[latest] += 1
    return counts


def response_of(execution_id: ExecutionId, last: ev.Recorded) -> ev.Response | None:
    """What this event of an execution answers its parent; None: it does not end it, or it has no parent.

    The position is for the store to assign.
    """
    if not isinstance(last.event, ev.Finished) or parent_of(execution_id) is None:
        return None
    return ev.Response(position=0, at=last.at, id=execution_id, result=ev.ChildFinished(last.event.outcome))


def lost_for_good(projection: proj.Projection, policy: RetryPolicy) -> ev.Finished | None:
    """The end of an activity whose executors were lost more often than the function allows; None: it is tried again."""
    if projection.losses <= policy.lost_max:
        return None
    return ev.Finished(outcome=ev.Failed(kind=ev.FailureKind.LOST, reason=LOST))


def _final(err: str | None, type_: WitType | None, final_errors: frozenset[str]) -> bool:
    """Whether an err is a case that contains `permanent`, or a case or a text that is listed."""
    if err is None:
        return False
    match type_:
        case VariantOf() | EnumOf():
            case = err.lstrip("{").split('"', 2)[1]  # of `"case"` or `{"case": …}`
            return _PERMANENT in case or case in final_errors or case.replace("_", "-") in final_errors
        case Primitive.STRING:
            return bool(final_errors) and msgspec.json.decode(err) in final_errors
        case _:
            return False


def take_over(projection: proj.Projection, now: Instant) -> ev.LifeEvent | None:
    """Free an execution whose executor is gone. A lost attempt counts against its own budget."""
    died = isinstance(projection.status, proj.Locked)
    return _free(projection, ev.Unlocked(LOST, died=died), ev.AttemptLost(LOST, now, died=True))


def release(projection: proj.Projection, now: Instant) -> ev.LifeEvent | None:
    """The holder lets go by its own will, at shutdown."""
    return _free(projection, ev.Unlocked(SHUT_DOWN), ev.AttemptLost(SHUT_DOWN, now))


def _free(projection: proj.Projection, unlocked: ev.Unlocked, lost: ev.AttemptLost) -> ev.LifeEvent | None:
    if projection.holder is None:
        return None
    if projection.kind.has_children:
        return unlocked
    if projection.losses >= LOSSES_MAX:
        return ev.Finished(outcome=ev.Failed(kind=ev.FailureKind.LOST, reason=lost.reason))
    return lost


def ending(projection: proj.Projection) -> bool:
    """It has ended or is about to: its outcome is fixed."""
    return isinstance(projection.status, proj.Finished) or projection.lifecycle.cancelling or projection.deciding


def cancel(projection: proj.Projection, reason: str) -> tuple[ev.LifeEvent, ...]:
    """Cancel what has no children, or begin to cancel a workflow, which then closes its join sets. () if in vain."""
    return end_early(projection, ev.Failed(kind=ev.FailureKind.CANCELLED, reason=reason))


def expire(projection: proj.Projection) -> tuple[ev.LifeEvent, ...]:
    """End an execution whose deadline is reached, like `cancel`."""
    return end_early(projection, ev.Failed(kind=ev.FailureKind.TIMED_OUT, reason=DEADLINE))


def end_early(projection: proj.Projection, outcome: ev.Failed) -> tuple[ev.LifeEvent, ...]:
    """End from outside with this outcome; a cancel is asked for before it is done. () if it is ending already."""
    if ending(projection):
        return ()
    last = ev.OutcomeDecided(outcome) if projection.kind.has_children else ev.Finished(outcome)
    return (ev.CancelRequested(outcome.reason), last) if outcome.kind is ev.FailureKind.CANCELLED else (last,)


def pause(projection: proj.Projection, reason: str, executor: ExecutorId) -> tuple[ev.LifeEvent, ...]:
    """Nobody takes it up until it is resumed. An attempt that runs may end; a workflow's guest is let go of.

    A workflow that another one than `executor` holds is let go of there, as soon as that one learns of it.
    () if it is paused or ending already.
    """
    if ending(projection) or projection.lifecycle.paused:
        return ()
    if projection.kind.has_children and projection.holder == executor:
        return ev.Paused(reason), ev.Unlocked(reason)
    return (ev.Paused(reason),)


def resume(projection: proj.Projection, reason: str) -> tuple[ev.LifeEvent, ...]:
    """() if it is not paused, or has ended."""
    if isinstance(projection.status, proj.Finished) or not projection.lifecycle.paused:
        return ()
    return (ev.Resumed(reason),)
