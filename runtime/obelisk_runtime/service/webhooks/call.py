"""One HTTP request in the hands of a component, from its head to the end of the guest."""

import asyncio
from collections.abc import Awaitable, Collection
from typing import assert_never

import msgspec

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.wiring import handler_of
from obelisk_runtime.ports import engine as guest
from obelisk_runtime.ports.http import HttpAnswer, HttpBroken, HttpRequest
from obelisk_runtime.service.components.deployment import DeployedComponent
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.webhooks.context import WebhookContext
from obelisk_runtime.service.webhooks.run import WebhookRun

WEBHOOK_TAG = "webhook"
"""The tag of executions that tells from which webhook they are."""


class NoRoomForGuest(ObeliskError):
    """No more guests fit into this process now."""


class NoAnswer(ObeliskError):
    """The guest ended, or was ended, without an answer."""

    def __init__(self, outcome: guest.GuestOutcome, reason: str) -> None:
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
        self.ended: asyncio.Future[guest.GuestOutcome] = asyncio.get_running_loop().create_future()
        """How the guest ended."""

    @property
    def has_execution(self) -> bool:
        return self._context.begun is not None

    def begin(self, seconds: float) -> None:
        """Run the guest for so long at most. Raises: NoRoomForGuest."""
        try:
            outcome = self._call.poll()
        except guest.GuestsExhausted as error:
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
        committed = asyncio.ensure_future(run.journal.durable())
        left = asyncio.ensure_future(run.left.wait())
        try:
            await asyncio.wait((committed, left), return_when=asyncio.FIRST_COMPLETED)
            if run.lost:
                raise NoAnswer(guest.Dropped(), "what the guest asked for could not be stored")
        finally:
            committed.cancel()
            left.cancel()

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
        timeout = asyncio.get_running_loop().call_later(seconds, self._call.drop, guest.TimedOut())
        try:
            outcome = await self._call.wait()
        except asyncio.CancelledError:
            self._guest_ended(guest.Dropped())
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

    def _guest_ended(self, outcome: guest.GuestOutcome) -> None:
        unfinished = self._close()
        if unfinished and isinstance(outcome, guest.Returned):
            self._node.spawn(self._after(unfinished, outcome))
        else:
            self._end(outcome)

    async def _after(self, unfinished: Collection[Awaitable[None]], outcome: guest.GuestOutcome) -> None:
        """What the guest wrote to files is there before its execution has ended."""
        for work in unfinished:
            await work
        self._end(outcome)

    def _end(self, outcome: guest.GuestOutcome) -> None:
        failed = (
            self._answered is None if isinstance(outcome, guest.Returned) else not isinstance(outcome, guest.Dropped)
        )
        self._context.end(failed=failed)
        self._tell(outcome, failed=failed)
        run = self._context.begun
        if run is not None and not isinstance(outcome, guest.Dropped):
            run.end(self._outcome(outcome))
        self.ended.set_result(outcome)

    def _close(self) -> Collection[Awaitable[None]]:
        """What is returned must be done before the request has ended."""
        unfinished = self._context.wasi.close()
        if self._answer.done() and not self._answer.cancelled():
            self._answer.exception()  # nobody may be left to take it
        return unfinished

    def _tell(self, outcome: guest.GuestOutcome, *, failed: bool) -> None:
        fields = {
            "webhook": self._component.settings.name,
            "execution": self.execution_id if self.has_execution else "",
        }
        if isinstance(outcome, guest.HostFailed):
            logger.error("a host function failed", exc_info=outcome.error, extra=fields)
        elif failed:
            logger.warning("a webhook failed", extra={**fields, "reason": self._reason(outcome)})

    def _outcome(self, outcome: guest.GuestOutcome) -> ev.Outcome:
        """`ok` with the status that was answered."""
        match outcome:
            case guest.Returned():
                if self._answered is None:
                    return ev.Failed(ev.FailureKind.TRAPPED, "the guest answered nothing")
                return ev.Ok(str(self._answered))
            case guest.Trapped():
                backtrace = tuple(map(self._node.deployment.redact, outcome.backtrace))
                return ev.Failed(ev.FailureKind.TRAPPED, self._reason(outcome), backtrace)
            case guest.OutOfFuel():
                return ev.Failed(ev.FailureKind.OUT_OF_FUEL, self._reason(outcome))
            case guest.TimedOut():
                return ev.Failed(ev.FailureKind.TIMED_OUT, self._reason(outcome))
            case guest.HostFailed() | guest.Dropped():
                return ev.Failed(ev.FailureKind.TRAPPED, self._reason(outcome))
            case _:
                assert_never(outcome)

    @property
    def _answered(self) -> int | None:
        """The status of the answer, if there is one."""
        done = self._answer.done() and not self._answer.cancelled() and self._answer.exception() is None
        return self._answer.result().status if done else None

    def _no_answer(self, broken: HttpBroken) -> NoAnswer:
        """The guest may have said so itself and go on; else it has ended, and how is known."""
        if not self.ended.done():
            return NoAnswer(guest.Returned(None), str(broken))
        outcome = self.ended.result()
        return NoAnswer(outcome, str(broken) if isinstance(outcome, guest.Returned) else self._reason(outcome))

    def _reason(self, outcome: guest.GuestOutcome) -> str:
        """Without values of secrets, which a guest may have been told."""
        return self._node.deployment.redact(_reason(outcome))


def _reason(outcome: guest.GuestOutcome) -> str:
    match outcome:
        case guest.Returned():
            return "the guest answered nothing"
        case guest.Trapped(message=message):
            return message
        case guest.OutOfFuel():
            return "the fuel of the request was used up"
        case guest.TimedOut():
            return "the time of the request was used up"
        case guest.Dropped():
            return "the request was ended"
        case guest.HostFailed():
            return "a host function failed; see the server's log"
        case _:
            assert_never(outcome)
