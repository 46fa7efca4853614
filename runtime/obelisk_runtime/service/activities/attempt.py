"""One attempt of an activity: run the guest once, decide, append."""

import asyncio
from collections.abc import Awaitable, Collection

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, TimedOut, outcome_of
from obelisk_runtime.core.ids import Instant
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.core.types import ResultOf
from obelisk_runtime.ports.engine import GuestCall, GuestsExhausted
from obelisk_runtime.service.activities.context import ActivityContext
from obelisk_runtime.service.activities.record import AttemptRecord, LockedActivity
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.guests.ending import report_host_failure
from obelisk_runtime.service.process.node import Node


class Attempt:
    """Runs on the event loop; a guest that computes longer than a time slice goes on in a worker thread."""

    def __init__(self, node: Node, target: Target, activity: LockedActivity) -> None:
        self._node = node
        self._target = target
        self._activity = activity
        self._record = AttemptRecord(node, activity)
        self._context = ActivityContext(node, target, activity.id, activity.projection.attempts)
        self._call: GuestCall | None = None
        self._dropped = False
        node.attempts[activity.id] = self
        if activity.commit is not None:
            activity.commit.add_done_callback(lambda done: self.forget() if done.cancelled() else None)

    @property
    def owner(self) -> str:
        return self._activity.owner

    def begin(self) -> None:
        if self._dropped:
            self._leave()
            return
        arguments = self._target.codec.to_arguments(self._activity.params)
        component = self._target.component
        self._call = component.linked.start(self._target.name, arguments, self._context, component.limits)
        try:
            outcome = self._call.poll()
        except GuestsExhausted:
            self._leave()
            self._give_back()
            return
        if outcome is None:
            self._node.spawn(self._drive(self._call))
        else:
            self._guest_ended(outcome)

    def forget(self) -> None:
        """Its creation failed: it never was, and another one may have its id."""
        self.drop()

    def drop(self) -> None:
        """Stop the guest for good; nothing is appended. Its outcome no longer matters."""
        self._dropped = True
        if self._call is not None:
            self._call.drop()

    async def _drive(self, call: GuestCall) -> None:
        seconds = self._target.component.settings.attempt_timeout / 1e6
        timeout = asyncio.get_running_loop().call_later(seconds, call.drop, TimedOut())
        try:
            outcome = await call.wait()
        finally:
            timeout.cancel()
        self._guest_ended(outcome)

    def _leave(self) -> None:
        if self._node.attempts.get(self._activity.id) is self:
            del self._node.attempts[self._activity.id]
        self._node.scheduler.release(ev.ExecutionKind.ACTIVITY, self._activity.id, self._activity.projection.function)

    def _guest_ended(self, outcome: GuestOutcome) -> None:
        unfinished = self._context.end()
        if unfinished and not isinstance(outcome, TimedOut | Dropped):
            self._node.spawn(self._after(unfinished, outcome))
        else:
            self._ended(outcome)

    async def _after(self, unfinished: Collection[Awaitable[None]], outcome: GuestOutcome) -> None:
        """What the guest wrote to files is there before its result is, and nearly all that it logged."""
        for work in unfinished:
            await work
        self._ended(outcome)

    def _ended(self, outcome: GuestOutcome) -> None:
        self._leave()
        end = self._end_of(outcome)
        if end is not None:
            self._decide(end, self._target.component.settings.retries)

    def _end_of(self, outcome: GuestOutcome) -> decisions.AttemptEnd | None:
        report_host_failure(outcome, execution=self._activity.id)
        match outcome:
            case TimedOut():
                return decisions.AttemptTimeout()
            case Dropped():
                return None
            case _:
                return outcome_of(outcome, self._target.codec, self._node.deployment.redact)

    def _decide(self, end: decisions.AttemptEnd, retries: RetryPolicy) -> None:
        node = self._node
        now = node.clock.now()
        result = self._target.codec.type.result
        err_type = result.err if isinstance(result, ResultOf) else None
        event = decisions.end_attempt(self._activity.projection, end, retries, now, node.ids.fraction(), err_type)
        self._record.append(event, now)

    def _give_back(self) -> None:
        """There was no room for the guest: the attempt is tried again when there is."""
        now = self._node.clock.now()
        due = Instant(now + self._node.limits.poll)
        self._record.append(ev.AttemptLost(reason="no room for one more guest", due=due), now)


class NoAttempt:
    """An activity that ends without one more attempt."""

    def __init__(self, node: Node, activity: LockedActivity, end: ev.Finished) -> None:
        self._node = node
        self._activity = activity
        self._end = end

    @classmethod
    def rejected(cls, node: Node, activity: LockedActivity, reason: str) -> "NoAttempt":
        """Its function takes other parameters now, or is not what its caller was compiled against."""
        return cls(node, activity, ev.Finished(ev.Failed(ev.FailureKind.REJECTED, reason)))

    @property
    def owner(self) -> str:
        return self._activity.owner

    def begin(self) -> None:
        self._node.scheduler.release(ev.ExecutionKind.ACTIVITY, self._activity.id, self._activity.projection.function)
        AttemptRecord(self._node, self._activity).append(self._end, self._node.clock.now())
