"""One HTTP request in the hands of a component, from its head to the end of the guest."""

import asyncio
from collections.abc import Awaitable, Collection

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, HostFailed, Returned, TimedOut, failure_of
from obelisk_runtime.core.wiring import handler_of
from obelisk_runtime.ports.engine import GuestsExhausted
from obelisk_runtime.ports.http import HttpAnswer, HttpBroken, HttpRequest
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.guests.ending import report_host_failure
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.webhooks.context import WebhookContext
from obelisk_runtime.service.webhooks.run import WebhookRun

WEBHOOK_TAG = "webhook"
"""The tag of executions that tells from which webhook they are."""
NOTHING_ANSWERED = "the guest answered nothing"


class NoRoomForGuest(ObeliskError):
    """No more guests fit into this process now."""


class NoAnswer(ObeliskError):
    """The guest ended, or was ended, without an answer."""

    def __init__(self, outcome: GuestOutcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


class WebhookCall:
    """It runs by itself once it has begun: a client that leaves says so with `leave`."""

    def __init__(self, node: Node, component: DeployedComponent, request: HttpRequest) -> None:
        handler = handler_of(component.exports)
        assert handler is not None, "checked when it was deployed"
        self._node = node
        self._component = component
        self._request = request
        self.execution_id = node.ids.execution_id(node.clock.now())
        self._context = WebhookContext(node, component, self.execution_id, self._begin_execution)
        incoming = node.deployment.library.arrive(self._context.wasi, request)
        self._answer = asyncio.ensure_future(incoming.answer)
        self._call = component.linked.start(handler, incoming.arguments, self._context, component.limits)
        self.ended: asyncio.Future[GuestOutcome] = asyncio.get_running_loop().create_future()
        """How the guest ended."""

    @property
    def has_execution(self) -> bool:
        return self._context.begun is not None

    def begin(self, seconds: float) -> None:
        """Run the guest for so long at most. Raises: NoRoomForGuest."""
        try:
            outcome = self._call.poll()
        except GuestsExhausted as error:
            self._close()
            raise NoRoomForGuest("there is no room for one more guest; try again soon") from error
        if outcome is None:
            self._node.spawn(self._drive(seconds))
        else:
            self._guest_ended(outcome)

    async def answer(self) -> HttpAnswer:
        """What the guest answers; all that it asked for before is durable. Raises: NoAnswer."""
        try:
            answer = await asyncio.shield(self._answer)
        except HttpBroken as broken:
            raise self._no_answer(broken) from None
        await self.durable()
        return answer

    async def durable(self) -> None:
        """Until all that the guest asked for is committed. Raises: NoAnswer, if it never will be."""
        run = self._context.begun
        if run is None:
            return
        await run.settled()
        if run.lost:
            raise NoAnswer(Dropped(), "what the guest asked for could not be stored")

    def leave(self) -> None:
        """The client is gone: the guest is dropped, unless it has an execution, which goes on without it."""
        if self.has_execution:
            self._node.spawn(self._throw_away())
        else:
            self._call.drop()

    async def _throw_away(self) -> None:
        """Take the answer, so that the guest can write it to the end."""
        try:
            answer = await asyncio.shield(self._answer)
            async for _ in answer.chunks():
                pass
        except HttpBroken:
            pass  # nobody is there who could be told

    async def _drive(self, seconds: float) -> None:
        timeout = asyncio.get_running_loop().call_later(seconds, self._call.drop, TimedOut())
        try:
            outcome = await self._call.wait()
        except asyncio.CancelledError:
            self._guest_ended(Dropped())
            raise
        finally:
            timeout.cancel()
        self._guest_ended(outcome)

    def _begin_execution(self) -> WebhookRun:
        request = self._request
        # Without the query, which is where secrets are.
        params = msgspec.json.encode([request.method, request.path.partition("?")[0]]).decode()
        tags = {WEBHOOK_TAG: self._component.settings.name}
        run = WebhookRun.create(self._node, self.execution_id, self._component, params, tags)
        run.attach(self._call)
        return run

    def _guest_ended(self, outcome: GuestOutcome) -> None:
        unfinished = self._close()
        if unfinished and not isinstance(outcome, TimedOut | Dropped):
            self._node.spawn(self._after(unfinished, outcome))
        else:
            self._end(outcome)

    async def _after(self, unfinished: Collection[Awaitable[None]], outcome: GuestOutcome) -> None:
        """What the guest wrote to files is there before its execution has ended."""
        for work in unfinished:
            await work
        self._end(outcome)

    def _end(self, ended: GuestOutcome) -> None:
        outcome = self._outcome_of(ended)
        failed = isinstance(outcome, ev.Failed) and not isinstance(ended, Dropped)
        self._context.end(failed=failed)
        fields = {
            "webhook": self._component.settings.name,
            "execution": self.execution_id if self.has_execution else "",
        }
        report_host_failure(ended, **fields)
        if isinstance(outcome, ev.Failed) and not isinstance(ended, Dropped | HostFailed):
            logger.warning("a webhook failed", extra={**fields, "reason": outcome.reason})
        run = self._context.begun
        if run is not None and not isinstance(ended, Dropped):
            run.end(outcome)
        self.ended.set_result(ended)

    def _close(self) -> Collection[Awaitable[None]]:
        """What is returned must be done before the request has ended."""
        unfinished = self._context.release()
        if self._answer.done() and not self._answer.cancelled():
            self._answer.exception()  # nobody may be left to take it
        return unfinished

    def _outcome_of(self, ended: GuestOutcome) -> ev.Outcome:
        """`ok` with the status that was answered."""
        match ended:
            case Returned():
                status = self._answered
                return ev.Failed(ev.FailureKind.TRAPPED, NOTHING_ANSWERED) if status is None else ev.Ok(str(status))
            case TimedOut():
                return ev.Failed(ev.FailureKind.TIMED_OUT, "the time of the request was used up")
            case Dropped():
                return ev.Failed(ev.FailureKind.CANCELLED, "the request was ended")
            case _:
                return failure_of(ended, self._node.deployment.redact)

    @property
    def _answered(self) -> int | None:
        """The status of the answer, if there is one."""
        done = self._answer.done() and not self._answer.cancelled() and self._answer.exception() is None
        return self._answer.result().status if done else None

    def _no_answer(self, broken: HttpBroken) -> NoAnswer:
        """The guest may have said so itself and go on; else it has ended, and how is known."""
        if not self.ended.done():
            return NoAnswer(Returned(None), str(broken))
        ended = self.ended.result()
        outcome = self._outcome_of(ended)
        reason = outcome.reason if isinstance(outcome, ev.Failed) and not isinstance(ended, Returned) else str(broken)
        return NoAnswer(ended, reason)
