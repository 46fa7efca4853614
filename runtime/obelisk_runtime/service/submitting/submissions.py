"""How an execution that a client submits comes to be, and begins here if there is a slot for it."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.values import ValueLimits
from obelisk_runtime.ports.store import CreateOutcome
from obelisk_runtime.service.activities.attempt import Attempt
from obelisk_runtime.service.activities.record import LockedActivity
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.executions import waiting
from obelisk_runtime.service.executions.creating import begun, created_by
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.submitting.backlog import Backlog
from obelisk_runtime.service.submitting.batch import Order, submit_all
from obelisk_runtime.service.submitting.terms import Terms
from obelisk_runtime.service.workflows.run import WorkflowRun


@dataclass(frozen=True, slots=True)
class Submitted:
    id: ExecutionId
    existed: bool
    """The same id with the same content had been submitted before; nothing was created."""


class Submissions:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._limits = ValueLimits(payload_bytes=node.limits.payload_bytes_max)
        self.backlog = Backlog(node)

    async def submit(
        self, function: Ffqn, params: bytes | list[object], chosen: ExecutionId | None, terms: Terms
    ) -> Submitted:
        """Raises: FunctionNotFound, InvalidValue, IdConflict, Overloaded, StoreUnavailable."""
        return await self._submit(function, params, chosen or self._new_id(), terms, chosen=chosen is not None)

    async def submit_watched(
        self, function: Ffqn, params: bytes | list[object], chosen: ExecutionId | None, terms: Terms
    ) -> tuple[Submitted, Coroutine[Any, Any, ev.Outcome]]:
        """`submit`, and its end for the caller to await. Raises: as `submit`."""
        node = self._node
        execution_id = chosen or self._new_id()
        waiter = node.watch(execution_id)
        try:
            submitted = await self._submit(function, params, execution_id, terms, chosen=chosen is not None)
        except BaseException:
            node.unwatch(execution_id, waiter)
            raise
        return submitted, waiting.watched(node, execution_id, waiter, known=submitted.existed)

    async def submit_all(self, orders: Sequence[Order]) -> Sequence[Submitted]:
        """All of them in one transaction, or none. Raises: ItemRefused, Overloaded, StoreUnavailable."""
        self.backlog.admit()
        submitted = await submit_all(self._node, orders, self._limits)
        for _ in submitted:
            self.backlog.added()
        return [Submitted(execution_id, existed) for execution_id, existed in submitted]

    def _new_id(self) -> ExecutionId:
        return self._node.ids.execution_id(self._node.clock.now())

    async def _submit(
        self,
        function: Ffqn,
        params: bytes | list[object],
        execution_id: ExecutionId,
        terms: Terms,
        *,
        chosen: bool,
    ) -> Submitted:
        node = self._node
        target = node.deployment.target(function)
        checked = target.codec.check_params(params, self._limits)
        now = node.clock.now()
        self.backlog.admit()
        created = terms.imposed(created_by(target, checked, node.ids.random_bytes(16)), now)
        if terms.waits or not node.scheduler.reserve(target.kind, execution_id, function):
            outcome = await node.store.create(terms.waiting(created, execution_id, now))
            self.backlog.added()
            node.scheduler.wake()
        else:
            outcome = await self._create_and_begin(target, created, execution_id, now, early=not chosen)
        return Submitted(execution_id, outcome is CreateOutcome.EXISTED)

    async def _create_and_begin(
        self, target: Target, created: ev.Created, execution_id: ExecutionId, now: Instant, *, early: bool
    ) -> CreateOutcome:
        """Run it here. `early`: its id is new for sure, so it may begin while its creation is on its way."""
        node = self._node
        digest = target.component.digest if target.kind is ev.ExecutionKind.ACTIVITY else None
        new = begun(node, created, execution_id, now, digest)
        loop = asyncio.get_running_loop()
        commit: asyncio.Future[None] = loop.create_future()

        def begin() -> WorkflowRun | Attempt:
            if target.kind is ev.ExecutionKind.WORKFLOW:
                return WorkflowRun.new(node, new, commit)
            return Attempt(node, target, LockedActivity(execution_id, created.params, new.projection, commit))

        item = begin() if early and not target.component.settings.start_after_commit else None
        if item is not None:
            node.scheduler.enqueue(item)

        def settle(done: asyncio.Future[CreateOutcome]) -> None:
            failed = done.cancelled() or done.exception() is not None
            if failed:
                commit.cancel()
            else:
                commit.set_result(None)
            if item is not None:
                return  # if it failed, that was told by `commit`
            if failed or done.result() is CreateOutcome.EXISTED:
                node.scheduler.release(target.kind, execution_id, target.name)
            else:
                node.scheduler.enqueue(begin())

        creating = asyncio.ensure_future(self._node.store.create(new))
        creating.add_done_callback(settle)  # also if the client leaves before it is done
        return await asyncio.shield(creating)
