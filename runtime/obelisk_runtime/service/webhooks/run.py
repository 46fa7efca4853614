"""The execution of a request to a webhook: it has children as a workflow has, and a guest that cannot be replayed."""

import asyncio
from collections.abc import Mapping

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import Nondeterminism
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.ports.engine import GuestCall
from obelisk_runtime.ports.store import CreateOutcome
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.executions.creating import begun
from obelisk_runtime.service.parents.run import ParentRun
from obelisk_runtime.service.process.node import Node
from obelisk_runtime.service.workflows.run import WorkflowRun

HANDLE = Ffqn.parse("wasi:http/incoming-handler.handle")
"""The function of all webhook executions, whichever version of it their component exports."""
LOST = "the server ended while it handled the request"


class WebhookRun(ParentRun):
    """Begun by the call of its guest, which also ends it. One that is taken up later has lost its guest, and fails."""

    @classmethod
    def create(
        cls, node: Node, execution_id: ExecutionId, component: DeployedComponent, params: str, tags: Mapping[str, str]
    ) -> "WebhookRun":
        """It is on its way to the store; if it cannot be created, its guest is dropped."""
        now = node.clock.now()
        created = ev.Created(
            kind=ev.ExecutionKind.WEBHOOK,
            function=HANDLE,
            params=params,
            digest=component.digest,
            seed=node.ids.random_bytes(16),
            tags=dict(tags),
        )
        new = begun(node, created, execution_id, now, None)
        node.scheduler.reserve(created.kind, execution_id, HANDLE, force=True)
        commit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run = cls.new(node, new, commit)
        run.component = component

        def created_or_not(done: "asyncio.Future[CreateOutcome]") -> None:
            if done.cancelled() or done.exception() is not None:
                commit.cancel()
            else:
                commit.set_result(None)

        asyncio.ensure_future(node.store.create(new)).add_done_callback(created_or_not)
        return run

    def attach(self, call: GuestCall) -> None:
        """The guest that runs: it is dropped when the execution is ended from outside."""
        self._call = call

    def end(self, outcome: ev.Outcome) -> None:
        """The guest has ended. What it left open is closed first."""
        if self._over:
            return
        self._waiting = None
        self._finish(outcome)

    @property
    def lost(self) -> bool:
        """It could not be created, or this process holds it no more."""
        return self._leaving and not self._ended

    def nondeterministic(self, error: Nondeterminism) -> None:
        raise AssertionError("the guest of a webhook is never replayed") from error

    def _start_guest(self) -> None:
        self._begin_to_end(ev.Failed(ev.FailureKind.LOST, LOST))


def run_of(node: Node, execution_id: ExecutionId, projection: proj.Projection) -> ParentRun:
    """What runs an execution that has children."""
    form = WebhookRun if projection.kind is ev.ExecutionKind.WEBHOOK else WorkflowRun
    return form(node, execution_id, projection)
