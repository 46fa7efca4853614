"""One attempt of an activity: run the guest once, decide, append."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, assert_never

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId, Instant, parent_of
from obelisk_runtime.core.retry import RetryPolicy
from obelisk_runtime.core.values import InvalidValue
from obelisk_runtime.ports import engine as guest
from obelisk_runtime.ports.store import Append, ExecutionNotFound, LogLevel, StoreUnavailable, VersionConflict
from obelisk_runtime.service.deployment import Target
from obelisk_runtime.service.logs import GuestLog
from obelisk_runtime.service.node import Node, logger

ATTEMPT_VARIABLE = "OBELISK_ATTEMPT"
"""Tells an activity which attempt it is, from 1."""
STORE_RETRY_SECONDS = 0.5
"""How long an attempt that has ended waits before it asks a store again that could not write."""
_NO_RETRIES = RetryPolicy(max=0)


class ActivityContext:
    """What host functions know of an activity's call; its world is the real one."""

    def __init__(self, node: Node, target: Target, execution_id: ExecutionId, attempt: int) -> None:
        self._node = node
        self._target = target
        self._attempt = attempt
        self._log = GuestLog(node.logs, execution_id)

    @cached_property
    def wasi(self) -> Any:
        return self._node.deployment.library.state(self)

    def log(self, level: LogLevel, message: str) -> None:
        self._log.record(self._attempt, self._node.clock.now(), level, "log", message)

    def end(self) -> None:
        self._log.end(self._attempt, self._node.clock.now())

    def wall_clock(self) -> Instant:
        return self._node.clock.now()

    def monotonic(self) -> int:
        return self._node.clock.monotonic()

    def random_bytes(self, count: int) -> bytes:
        return self._node.ids.random_bytes(count)

    async def wait(self, nanoseconds: int) -> None:
        await asyncio.sleep(nanoseconds / 1e9)

    def environment(self) -> Sequence[tuple[str, str]]:
        return (*self._target.component.settings.env.items(), (ATTEMPT_VARIABLE, str(self._attempt)))

    def write(self, source: str, data: bytes) -> None:
        self._log.output(self._attempt, self._node.clock.now(), source, data)


@dataclass(frozen=True, slots=True)
class LockedActivity:
    """An activity this process holds. `commit` is done when its creation or lock is durable."""

    id: ExecutionId
    params: str
    projection: proj.Projection
    commit: "asyncio.Future[Any] | None" = None


class Attempt:
    """Runs on the event loop; a guest that computes longer than a time slice goes on in a worker thread."""

    def __init__(self, node: Node, target: Target, activity: LockedActivity) -> None:
        self._node = node
        self._target = target
        self._activity = activity
        self._projection = activity.projection
        self._context = ActivityContext(node, target, activity.id, activity.projection.attempts)
        self._call: guest.GuestCall | None = None
        self._dropped = False
        parent = parent_of(activity.id)
        self._parent = None if parent is None else node.workflows.get(parent)
        node.attempts[activity.id] = self

    def begin(self) -> None:
        if self._dropped:
            self._leave()
            return
        arguments = self._target.codec.to_arguments(self._activity.params)
        component = self._target.component
        self._call = component.linked.start(self._target.name, arguments, self._context, component.limits)
        try:
            outcome = self._call.poll()
        except guest.GuestsExhausted:
            self._leave()
            self._node.spawn(self._give_back())
            return
        if outcome is None:
            self._node.spawn(self._drive(self._call))
        else:
            self._guest_ended(outcome)

    def drop(self) -> None:
        """Stop the guest for good; nothing is appended. Its outcome no longer matters."""
        self._dropped = True
        if self._call is not None:
            self._call.drop()

    async def _drive(self, call: guest.GuestCall) -> None:
        seconds = self._target.component.settings.attempt_timeout / 1e6
        timeout = asyncio.get_running_loop().call_later(seconds, call.drop, guest.TimedOut())
        try:
            outcome = await call.wait()
        finally:
            timeout.cancel()
        self._guest_ended(outcome)

    def _leave(self) -> None:
        self._context.end()
        self._node.attempts.pop(self._activity.id, None)
        self._node.scheduler.release(ev.ExecutionKind.ACTIVITY)

    def _guest_ended(self, outcome: guest.GuestOutcome) -> None:
        self._leave()
        end = self._end_of(outcome)
        if end is not None:
            retries = self._target.component.settings.retries
            self._decide(end, retries)

    def _end_of(self, outcome: guest.GuestOutcome) -> decisions.AttemptEnd | None:
        match outcome:
            case guest.Returned():
                return self._returned(outcome.value)
            case guest.Trapped():
                return ev.Failed(kind=ev.FailureKind.TRAPPED, reason=outcome.message, backtrace=outcome.backtrace)
            case guest.OutOfFuel():
                return ev.Failed(kind=ev.FailureKind.OUT_OF_FUEL, reason="the fuel of the attempt was used up")
            case guest.TimedOut():
                return decisions.AttemptTimeout()
            case guest.Dropped():
                return None
            case guest.HostFailed():
                logger.error("a host function failed", exc_info=outcome.error, extra={"execution": self._activity.id})
                return ev.Failed(kind=ev.FailureKind.TRAPPED, reason="a host function failed; see the server's log")
            case _:
                assert_never(outcome)

    def _returned(self, value: guest.Value) -> decisions.AttemptEnd:
        try:
            result = self._target.codec.from_result(value)
        except InvalidValue as error:
            return ev.Failed(kind=ev.FailureKind.TRAPPED, reason=str(error))
        return ev.Ok(result.payload) if result.is_ok else ev.Err(result.payload)

    def _decide(self, end: decisions.AttemptEnd, retries: RetryPolicy) -> None:
        node = self._node
        now = node.clock.now()
        event = decisions.end_attempt(self._projection, end, retries, now, node.ids.fraction())
        self._append(event, now)

    def _append(self, event: ev.LifeEvent, now: Instant) -> None:
        node, projection = self._node, self._projection
        response = None
        if isinstance(event, ev.Finished) and parent_of(self._activity.id) is not None:
            response = ev.Response(0, now, self._activity.id, ev.ChildFinished(event.outcome))
        append = Append(
            id=self._activity.id,
            expected_version=projection.version,
            events=(ev.Recorded(projection.version, now, event),),
            projection=proj.apply(projection, event, now),
            response=response,
        )
        if self._parent is not None:
            self._parent.inbound += 1
        node.logs.flush()
        written = asyncio.ensure_future(node.store.append(append))
        written.add_done_callback(lambda done: self._appended(append, event, done))

    def _appended(self, append: Append, event: ev.LifeEvent, done: "asyncio.Future[ev.Response | None]") -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            self._recorded(append, event, done.result())
        else:
            self._refused(append, event, error)
        if self._parent is not None:
            self._parent.inbound -= 1
            self._parent.settle()

    def _recorded(self, append: Append, event: ev.LifeEvent, response: ev.Response | None) -> None:
        node = self._node
        match event:
            case ev.Finished():
                node.finished(append.id, event.outcome)
            case ev.AttemptFailed() | ev.AttemptTimedOut() | ev.AttemptLost():
                node.scheduler.due_at(event.due)
            case _:
                node.scheduler.wake()
        if response is not None:
            node.responded(response)

    def _refused(self, append: Append, event: ev.LifeEvent, error: BaseException) -> None:
        if isinstance(error, VersionConflict):
            return  # cancelled or taken over meanwhile: its outcome no longer counts
        commit = self._activity.commit
        if isinstance(error, ExecutionNotFound) and commit is not None and not commit.done():
            commit.add_done_callback(lambda _: self._append(event, append.events[0].at))
        elif isinstance(error, StoreUnavailable):
            later = asyncio.get_running_loop().call_later
            later(STORE_RETRY_SECONDS, self._append, event, append.events[0].at)
        elif not isinstance(error, ExecutionNotFound):
            logger.error("an attempt could not be recorded", exc_info=error, extra={"execution": append.id})

    async def _give_back(self) -> None:
        """There was no room for the guest: the attempt is tried again when there is."""
        now = self._node.clock.now()
        due = Instant(now + self._node.limits.poll)
        self._append(ev.AttemptLost(reason="no room for one more guest", due=due), now)


class RejectedCall:
    """A child that cannot be run at all: its function is not deployed."""

    def __init__(self, node: Node, activity: LockedActivity, reason: str) -> None:
        self._node = node
        self._activity = activity
        self._reason = reason

    def begin(self) -> None:
        node, activity = self._node, self._activity
        now = node.clock.now()
        node.scheduler.release(ev.ExecutionKind.ACTIVITY)
        event = ev.Finished(ev.Failed(ev.FailureKind.REJECTED, self._reason))
        append = Append(
            id=activity.id,
            expected_version=activity.projection.version,
            events=(ev.Recorded(activity.projection.version, now, event),),
            projection=proj.apply(activity.projection, event, now),
            response=ev.Response(0, now, activity.id, ev.ChildFinished(event.outcome)),
        )
        node.spawn(self._reject(append))

    async def _reject(self, append: Append) -> None:
        response = await self._node.store.append(append)
        assert response is not None
        self._node.responded(response)
