"""A workflow in this process: its guest is replayed to where it was, and may leave memory while it waits."""

import asyncio
from collections.abc import Sequence

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import OnNondeterminism
from obelisk_runtime.core.guest_outcomes import Dropped, GuestOutcome, HostFailed, TimedOut, Trapped, outcome_of
from obelisk_runtime.core.history import Nondeterminism
from obelisk_runtime.core.ids import Digest, ExecutionId
from obelisk_runtime.core.poison import poisonous
from obelisk_runtime.core.values import FunctionCodec, function_codec
from obelisk_runtime.ports.engine import GuestCall, GuestsExhausted
from obelisk_runtime.service.components.deployed import BrokenBytes, BytesMissing, DeployedComponent
from obelisk_runtime.service.executions.creating import seed_of
from obelisk_runtime.service.guests.ending import report_host_failure
from obelisk_runtime.service.parents.run import PAUSED, ParentRun
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.workflows.context import WorkflowContext


class WorkflowRun(ParentRun):
    _codec: FunctionCodec
    _context: WorkflowContext

    def __init__(self, node: Node, execution_id: ExecutionId, projection: proj.Projection) -> None:
        super().__init__(node, execution_id, projection)
        self._poison: str | None = None
        self._nondeterminism: Nondeterminism | None = None

    def _load(self, log: Sequence[ev.Recorded], responses: Sequence[ev.Response], committed: int) -> None:
        self._poison = poisonous(log, self.node.limits.deaths_max)
        super()._load(log, responses, committed)

    def _start_guest(self) -> None:
        if self.history.projection.lifecycle.paused:
            self._let_go(PAUSED, parked=False)
        elif self._poison is not None:
            self._stop(self._poison)
        else:
            digest = self.history.projection.digest
            assert digest is not None
            component = self.node.deployment.by_digest.get(digest)
            if component is None:
                self.node.spawn(self._find_component_and_call(digest))
            else:
                self._call_guest(component)

    async def _find_component_and_call(self, digest: Digest) -> None:
        pinned = self.node.deployment.pinned
        try:
            component = await self.node.insist(lambda: pinned(digest, self.created.function))
        except (BytesMissing, BrokenBytes) as error:
            if not self._over:
                self._stop(str(error))
            return
        if not self._over:
            self._call_guest(component)

    def _call_guest(self, component: DeployedComponent) -> None:
        self.component = component
        function = self.created.function
        self._codec = function_codec(function, component.exports[function])
        self._context = WorkflowContext(self, seed_of(self.created))
        arguments = self._codec.to_arguments(self.created.params)
        self._call = component.linked.start(function, arguments, self._context, component.limits)
        try:
            outcome = self._call.poll()
        except GuestsExhausted:
            self._call.drop()
            self._call = None
            self.node.crowded = True
            asyncio.get_running_loop().call_later(self.node.limits.poll / 1e6, self._call_guest_later, component)
            return
        if outcome is None:
            self.node.spawn(self._drive(self._call))
        else:
            self._guest_ended(outcome)

    def _call_guest_later(self, component: DeployedComponent) -> None:
        """There was no room; by now others may have left memory."""
        if not self._over:
            self._call_guest(component)

    async def _drive(self, call: GuestCall) -> None:
        self._guest_ended(await call.wait())

    def _guest_ended(self, outcome: GuestOutcome) -> None:
        if self._over or isinstance(outcome, Dropped):
            return
        self._context.end()
        self._waiting = None
        try:
            decided = self._outcome_of(outcome)
        except Nondeterminism as error:
            frames = outcome.backtrace if isinstance(outcome, Trapped) else ()
            self._differs(str(error), frames)
        else:
            self._finish(decided)

    def _differs(self, difference: str, frames: tuple[str, ...]) -> None:
        """The guest is not the one that made the history."""
        if self.component.settings.on_nondeterminism is OnNondeterminism.FAIL:
            self.history.run_to_end()
            self._finish(ev.Failed(ev.FailureKind.NONDETERMINISM, difference, frames))
        else:
            self._stop(f"{difference}, at {frames[0]}" if frames else difference)

    def _outcome_of(self, outcome: GuestOutcome) -> ev.Outcome:
        """Raises: Nondeterminism."""
        if self._nondeterminism is not None:
            raise self._nondeterminism
        if isinstance(outcome, HostFailed) and isinstance(outcome.error, Nondeterminism):
            raise outcome.error
        self.history.finish_replay()
        assert not isinstance(outcome, TimedOut | Dropped), "workflows have no attempt timeout"
        report_host_failure(outcome, execution=self.id)
        return outcome_of(outcome, self._codec, self.node.deployment.redact)

    def nondeterministic(self, error: Nondeterminism) -> None:
        self._nondeterminism = error

    def _stop(self, reason: str) -> None:
        """Stop here until an operator resumes it; nothing is cancelled."""
        logger.warning("a workflow is paused", extra={"execution": self.id, "reason": reason})
        self.pause(reason)

    @property
    def evictable(self) -> bool:
        """Whether it only waits, its guest for a response or, without one, its end for its children."""
        if not self._loaded.is_set() or self._leaving or self.inbound or self._has_to_cancel:
            return False
        waits = self._closing and not self._ended if self.history.deciding else self._waiting is not None
        return waits and self.journal.idle
