"""The runtime as one object: deploy components, start, submit, wait, cancel, stop."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import ComponentSettings, RuntimeLimits, StubSettings
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import DelayId, Digest, ExecutionId, ExecutorId, Instant
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.wiring import ExportedFunction
from obelisk_runtime.ports.clock import Clock, IdSource
from obelisk_runtime.ports.engine import Engine
from obelisk_runtime.ports.http import HttpRequest
from obelisk_runtime.ports.store import Changed, Store, StoreUnavailable
from obelisk_runtime.service.components.deployed import DeployedComponent
from obelisk_runtime.service.components.deployment import Accept, AnyProblem, Deployment, accept_all
from obelisk_runtime.service.components.library import GuestLibrary
from obelisk_runtime.service.control import cancellation, pausing, stubs
from obelisk_runtime.service.dispatch import why
from obelisk_runtime.service.dispatch.dispatcher import Dispatcher
from obelisk_runtime.service.executions import waiting
from obelisk_runtime.service.host_functions import binding as host_functions
from obelisk_runtime.service.process.logs import LogWriter
from obelisk_runtime.service.process.measures import Measures
from obelisk_runtime.service.process.node import Node, logger
from obelisk_runtime.service.process.parts import Parts
from obelisk_runtime.service.replay import rehearsing as replay
from obelisk_runtime.service.replay import upgrading
from obelisk_runtime.service.replay.debugging import debug
from obelisk_runtime.service.replay.rehearsing import Replayed
from obelisk_runtime.service.replay.room import Room
from obelisk_runtime.service.replay.scene import Scene
from obelisk_runtime.service.submitting.batch import Order
from obelisk_runtime.service.submitting.submissions import Submissions, Submitted
from obelisk_runtime.service.submitting.terms import AT_ONCE, Terms
from obelisk_runtime.service.trees.trees import Trees
from obelisk_runtime.service.webhooks.call import WebhookCall
from obelisk_runtime.service.workflows.residents import Residents
from obelisk_runtime.service.workflows.run import WorkflowRun

QUEUE_COUNTED_MAX = 100_000
_FOREVER = Instant(2**62)


class WebhookNotFound(ObeliskError):
    def __init__(self, name: str) -> None:
        super().__init__(f"no webhook of the name {name} is deployed")
        self.name = name


@dataclass(frozen=True, slots=True)
class Load:
    """What is in this process's memory now."""

    workflows: int
    workflows_max: int
    workflow_bytes: int
    """An estimate (`ports.engine.GuestCall.memory_bytes`)."""
    attempts: int
    """Activities that run."""
    attempts_max: int


@dataclass(frozen=True, slots=True)
class Queue:
    due: int
    """How many executions are due, counted up to QUEUE_COUNTED_MAX."""
    age: int
    """For how many microseconds the first of them has been."""


class Service:
    """One process of the runtime. Reads go to `store`; whatever changes an execution goes through here."""

    def __init__(  # noqa: PLR0913 - the composition root's one call
        self,
        *,
        store: Store,
        engine: Engine,
        clock: Clock,
        ids: IdSource,
        library: GuestLibrary,
        limits: RuntimeLimits,
        sole_executor: bool = True,
    ) -> None:
        """`sole_executor`: nobody else can hold this store, so whoever held executions before is dead."""
        self.store = store
        self.store_trouble: str | None = None
        """Why the latest heartbeat could not be written; None: it was."""
        now = clock.now()
        deployment = Deployment(engine, store, library, host_functions.bind, limits.payload_bytes_max)
        self._node = Node(
            store=store,
            clock=clock,
            ids=ids,
            limits=limits,
            executor=ExecutorId("X_" + ids.execution_id(now)[2:]),
            deployment=deployment,
            logs=LogWriter(store, deployment.redact),
        )
        self._dispatcher = self._node.scheduler = Dispatcher(self._node)
        self._node.cancel_open = self._cancel_open
        self._node.run_workflow = partial(WorkflowRun.new, self._node)
        self._residents = Residents(self._node)
        self.trees = Trees(self._node)
        self._submissions = Submissions(self._node)
        self._room = Room()
        self._sole_executor = sole_executor
        self._parts = Parts(self._node)
        self._unsubscribe: Callable[[], None] = lambda: None

    # Components

    async def verify(
        self, components: Sequence[tuple[ComponentSettings, bytes]], stub_functions: Sequence[StubSettings] = ()
    ) -> Sequence[AnyProblem]:
        """Everything wrong with these components, at once; nothing is stored."""
        return await self._node.deployment.verify(components, stub_functions)

    async def deploy(
        self,
        components: Sequence[tuple[ComponentSettings, bytes]],
        stub_functions: Sequence[StubSettings] = (),
        accept: Accept = accept_all,
    ) -> Sequence[AnyProblem]:
        """Offer these components instead of what is offered now, at once; if something is wrong, nothing changes.

        What runs goes on with the component it began with; the next attempts and new workflows take the new ones.
        Raises: StoreUnavailable.
        """
        problems = await self._node.deployment.deploy(components, stub_functions, self._node.clock.now(), accept)
        if not problems:
            self._dispatcher.wake()
        return problems

    def limit(self, limits: RuntimeLimits) -> None:
        """Go on within other bounds. What is fixed at the start (`FIXED_LIMITS`) must not differ."""
        self._dispatcher.resize(limits)
        self._node.limits = limits

    @property
    def functions(self) -> Mapping[Ffqn, ExportedFunction]:
        return self._node.deployment.functions

    @property
    def components(self) -> Sequence[DeployedComponent]:
        return self._node.deployment.components

    def redact(self, text: str) -> str:
        """Without the secrets of what is deployed."""
        return self._node.deployment.redact(text)

    # What it does

    @property
    def measures(self) -> Measures:
        return self._node.measures

    def load(self) -> Load:
        node = self._node
        resident = [run.memory_bytes for run in node.workflows.values()]
        return Load(
            workflows=len(resident),
            workflows_max=node.limits.workflows_max,
            workflow_bytes=sum(resident),
            attempts=len(node.attempts),
            attempts_max=node.limits.activities_max,
        )

    def now(self) -> Instant:
        return self._node.clock.now()

    async def queue(self) -> Queue:
        """What waits in the store to be locked. Raises: StoreUnavailable."""
        now = self._node.clock.now()
        due = await self.store.backlog(now, QUEUE_COUNTED_MAX)
        oldest = await self.store.oldest_due()
        return Queue(due, 0 if oldest is None else max(0, now - oldest))

    # Life of the process

    @property
    def trouble(self) -> str | None:
        """Why executions are not run as they should be at the moment; None: they are."""
        return self.store_trouble or self._parts.trouble

    async def start(self) -> None:
        """Take over what earlier executors held, and begin to run."""
        node = self._node
        now = node.clock.now()
        await self.store.beat(node.executor, now)
        if self._sole_executor:
            await self.store.take_over(now, silent_since=_FOREVER, living=node.executor)
        self._unsubscribe = self.store.subscribe(self._changed)
        self._parts.start("dispatcher", self._dispatcher.run)
        self._parts.start("heartbeat", self._beat)
        self._parts.start("eviction of workflows", self._residents.run)
        self._parts.start("count of what waits", self._submissions.backlog.run)
        self._parts.start("retention", self.trees.retention.run)

    async def stop(self, seconds: float | None = None) -> None:
        """Claim no more, wait for activities that run, let go of the rest. It goes on in whoever starts next.

        `seconds`: how long it waits, if not as long as `limits.shutdown`.
        """
        node = self._node
        node.stopping = True
        self._unsubscribe()
        try:
            async with asyncio.timeout(node.limits.shutdown / 1e6 if seconds is None else seconds):
                await node.no_attempts()
        except TimeoutError:
            logger.info("activities were still running at shutdown", extra={"count": len(node.attempts)})
        for attempt in list(node.attempts.values()):
            attempt.drop()
        for run in list(node.workflows.values()):
            run.forget()
        node.logs.flush_all()
        await node.settle()
        try:
            await self.store.retire(node.executor, node.clock.now())
        except StoreUnavailable:
            logger.warning("the store could not be told of the shutdown; the next start finds out")

    async def _beat(self) -> None:
        node = self._node
        while True:
            await asyncio.sleep(node.limits.heartbeat / 1e6)
            now = node.clock.now()
            try:
                await self.store.beat(node.executor, now)
                silent_since = Instant(now - node.limits.lease)
                if await self.store.take_over(now, silent_since=silent_since, living=node.executor):
                    self._dispatcher.wake()
                if not self._sole_executor:
                    await self._residents.catch_up()
                self.store_trouble = None
            except StoreUnavailable as error:
                self.store_trouble = str(error)
                logger.warning("the heartbeat could not be written", extra={"reason": str(error)})

    def _changed(self, changed: Changed) -> None:
        if changed.pending:
            self._dispatcher.wake()

    def _cancel_open(self, response_ids: Sequence[str]) -> asyncio.Task[None]:
        return self._node.spawn(cancellation.cancel_open(self._node, response_ids))

    # Executions

    async def submit(
        self,
        function: Ffqn,
        params: bytes | list[object],
        *,
        id: ExecutionId | None = None,  # noqa: A002 - the product's word
        terms: Terms = AT_ONCE,
    ) -> Submitted:
        """Create a top-level execution; it is durable when this returns.

        Raises: FunctionNotFound, InvalidValue, IdConflict, Overloaded, StoreUnavailable.
        """
        return await self._submissions.submit(function, params, id, terms)

    async def submit_watched(
        self,
        function: Ffqn,
        params: bytes | list[object],
        *,
        id: ExecutionId | None = None,  # noqa: A002 - the product's word
        terms: Terms = AT_ONCE,
    ) -> tuple[Submitted, Coroutine[Any, Any, ev.Outcome]]:
        """`submit`, and its end for the caller to await: seen without asking the store. Raises: as `submit`."""
        return await self._submissions.submit_watched(function, params, id, terms)

    async def submit_all(self, orders: Sequence[Order]) -> Sequence[Submitted]:
        """`submit` of each, in order: all of them in one transaction, or none. They wait for a slot like others.

        Raises: ItemRefused, Overloaded, StoreUnavailable.
        """
        return await self._submissions.submit_all(orders)

    async def wait(self, id: ExecutionId) -> ev.Outcome:  # noqa: A002 - the product's word
        """Until it finishes. Cancel freely; the execution does not notice. Raises: ExecutionNotFound."""
        return await waiting.until_finished(self._node, id)

    async def outcome(self, id: ExecutionId) -> ev.Outcome | None:  # noqa: A002 - the product's word
        """How it ended; None while it has not. Raises: ExecutionNotFound."""
        return await waiting.outcome_of(self._node, id)

    async def stub(self, id: ExecutionId, result: bytes | str) -> bool:  # noqa: A002 - the product's word
        """Supply the result of a stub execution, `{"ok": v}` or `{"err": e}`; False: it had this result already.

        Raises: StubNotFound, StubConflict, InvalidValue, StoreUnavailable.
        """
        return await stubs.supply(self._node, id, result)

    async def cancel(self, id: ExecutionId | DelayId, reason: str) -> cancellation.CancelResult:  # noqa: A002
        """Cancel an activity, a delay or a cancellable workflow with what it has open. Idempotent.

        Raises: ExecutionNotFound, NotCancellable, StoreUnavailable.
        """
        return await cancellation.cancel(self._node, id, reason)

    async def terminate(self, id: ExecutionId, reason: str) -> cancellation.CancelResult:  # noqa: A002
        """`cancel`, also of a workflow that is not cancellable. Raises: ExecutionNotFound, StoreUnavailable."""
        return await cancellation.terminate(self._node, id, reason)

    async def pause(self, id: ExecutionId | DelayId, reason: str) -> pausing.PauseResult:  # noqa: A002
        """Nothing takes it up until it is resumed. Idempotent. Raises: ExecutionNotFound, StoreUnavailable."""
        return await pausing.pause(self._node, id, reason)

    async def resume(self, id: ExecutionId | DelayId, reason: str) -> pausing.PauseResult:  # noqa: A002
        """Go on with what was paused. Idempotent. Raises: ExecutionNotFound, StoreUnavailable."""
        return await pausing.resume(self._node, id, reason)

    async def why(self, id: ExecutionId) -> why.Why:  # noqa: A002 - the product's word
        """Why it does not run now. Raises: ExecutionNotFound, StoreUnavailable."""
        return await why.why(self._node, self._dispatcher.slots, id)

    # Webhooks

    def handle(self, webhook: str, request: HttpRequest, *, seconds: float) -> WebhookCall:
        """Give a request to the component of this name, which has so much time for it.

        Raises: WebhookNotFound, NoRoomForGuest.
        """
        component = self._node.deployment.webhook(webhook)
        if component is None:
            raise WebhookNotFound(webhook)
        call = WebhookCall(self._node, component, request)
        call.begin(seconds)
        return call

    # Versions

    async def replay(self, id: ExecutionId, wasm: bytes | None = None) -> Replayed:  # noqa: A002 - the product's word
        """Run the history of a workflow against its component, or another one; write nothing. Few at once.

        Raises: TooManyReplays, ExecutionNotFound, NotAWorkflow, StoreUnavailable, BytesMissing, BrokenBytes.
        """
        async with self._room.place():
            return await replay.replay(self._node, id, wasm)

    async def debug(self, id: ExecutionId, version: int, digest: Digest | None = None) -> Scene:  # noqa: A002
        """Where a workflow stood at this event of its log, by replaying to it; write nothing. Few at once.

        Raises: TooManyReplays, ExecutionNotFound, NotAWorkflow, EventNotFound, StoreUnavailable, BytesMissing,
        BrokenBytes.
        """
        async with self._room.place():
            return await debug(self._node, id, version, digest)

    async def upgrade(self, id: ExecutionId) -> upgrading.Upgrade:  # noqa: A002 - the product's word
        """Move a workflow to the deployed component, if its history replays on that.

        Raises: ExecutionNotFound, NotAWorkflow, NotDeployed, StoreUnavailable.
        """
        return await upgrading.upgrade(self._node, id)

    async def upgrade_component(self, name: str, *, cursor: str | None, limit: int) -> upgrading.UpgradePage:
        """`upgrade` for the unfinished executions of a deployed component, page by page.

        Raises: ComponentNotFound, InvalidName, StoreUnavailable.
        """
        return await upgrading.upgrade_component(self._node, name, cursor=cursor, limit=limit)

    def subscribe(self, listener: Callable[[Changed], None]) -> Callable[[], None]:
        """Hints that executions changed; may be lost."""
        return self.store.subscribe(listener)

    def subscribe_logs(self, listener: Callable[[frozenset[ExecutionId]], None]) -> Callable[[], None]:
        """Hints that guests of executions of this process wrote something; may be lost."""
        return self._node.logs.subscribe(listener)
