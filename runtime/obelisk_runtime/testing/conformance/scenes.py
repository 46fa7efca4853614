"""Executions and decisions of the kit: what a service would write, made by the same core."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.history import History
from obelisk_runtime.core.ids import (
    DelayId,
    Digest,
    ExecutionId,
    ExecutorId,
    Instant,
    JoinSetId,
    parent_of,
    top_level_id,
)
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.schedules import Schedule
from obelisk_runtime.ports.store import PAGE_MAX, Append, NewDelay, NewExecution, Offer, Store
from obelisk_runtime.testing.clock import SECOND, START

ACTIVITY = Ffqn.parse("testing:kit/activities.run")
OTHER_ACTIVITY = Ffqn.parse("testing:kit/activities@1.2.3.other")
WORKFLOW = Ffqn.parse("testing:kit/workflows.run")
ONE = ExecutorId("executor-one")
TWO = ExecutorId("executor-two")
DIGEST = Digest("sha256:" + "0a" * 32)
OTHER_DIGEST = Digest("sha256:" + "f1" * 32)
LATER = Instant(START + 60 * SECOND)
OK = ev.Ok(value='"done"')
ACTIVITIES = Offer(ev.ExecutionKind.ACTIVITY, {ACTIVITY: DIGEST, OTHER_ACTIVITY: DIGEST}, 1000)
WORKFLOWS = Offer(ev.ExecutionKind.WORKFLOW, {WORKFLOW: None}, 1000)


def numbered(number: int) -> ExecutionId:
    """The id of a top-level execution."""
    return top_level_id(START // 1000, number)


def created(created_event: ev.Created, execution_id: ExecutionId, at: Instant = START) -> NewExecution:
    entry = ev.Recorded(version=0, at=at, event=created_event)
    return NewExecution(execution_id, [entry], proj.begin(created_event, at))


def activity(
    execution_id: ExecutionId,
    *,
    function: Ffqn = ACTIVITY,
    params: str = "[]",
    due: Instant | None = None,
    tags: Mapping[str, str] | None = None,
    at: Instant = START,
) -> NewExecution:
    event = ev.Created(
        kind=ev.ExecutionKind.ACTIVITY, function=function, params=params, due=due, tags=dict(tags) if tags else None
    )
    return created(event, execution_id, at)


def workflow(execution_id: ExecutionId, *, params: str = "[]", at: Instant = START) -> NewExecution:
    event = ev.Created(
        kind=ev.ExecutionKind.WORKFLOW, function=WORKFLOW, params=params, digest=DIGEST, seed=bytes(range(16))
    )
    return created(event, execution_id, at)


def locked(new: NewExecution, executor: ExecutorId, now: Instant = START) -> NewExecution:
    """The same execution, locked from the start."""
    event = decisions.lock(new.projection, executor, DIGEST, now)
    assert event is not None
    entry = ev.Recorded(version=1, at=now, event=event)
    return NewExecution(new.id, [*new.events, entry], proj.apply(new.projection, event, now))


@dataclass(slots=True)
class Decision:
    """One append in the making, from what the store holds now."""

    history: History
    now: Instant
    expected_version: int
    expected_responses: int
    children: list[NewExecution] = field(default_factory=list[NewExecution])
    delays: list[NewDelay] = field(default_factory=list[NewDelay])
    outcome: ev.Outcome | None = None

    def life(self, *events: ev.LifeEvent) -> "Decision":
        for event in events:
            self.history.record_life(event, self.now)
            if isinstance(event, ev.Finished):
                self.outcome = event.outcome
        return self

    def finish(self, outcome: ev.Outcome = OK) -> "Decision":
        return self.life(ev.Finished(outcome=outcome))

    def join_set(self) -> JoinSetId:
        made = self.history.create_join_set(self.now)
        assert made is not None
        return made

    def call(self, params: str = "[]") -> ExecutionId:
        """A direct call of an activity: the workflow waits for it."""
        return self._child(self.history.call(ACTIVITY, params, self.now), params)

    def submit(self, join_set: JoinSetId, params: str = "[]") -> ExecutionId:
        return self._child(self.history.submit(join_set, ACTIVITY, params, self.now), params)

    def _child(self, child: ExecutionId, params: str) -> ExecutionId:
        self.children.append(activity(child, params=params, at=self.now))
        return child

    def submit_delay(self, join_set: JoinSetId, wakes: Instant) -> DelayId:
        delay = DelayId(self.history.submit_delay(join_set, Schedule(wakes, relative=False), self.now))
        self.delays.append(NewDelay(delay, wakes))
        return delay

    def sleep(self, wakes: Instant) -> DelayId:
        """The workflow waits for it."""
        delay = DelayId(self.history.sleep(Schedule(wakes, relative=False), None, self.now))
        self.delays.append(NewDelay(delay, wakes))
        return delay

    def await_next(self, join_set: JoinSetId) -> "Decision":
        self.history.await_next(join_set, None, self.now)
        return self

    def close(self, join_set: JoinSetId) -> "Decision":
        self.history.close(join_set, self.now)
        return self

    @property
    def append(self) -> Append:
        """What to write; the same each time."""
        return Append(
            id=self.history.id,
            expected_version=self.expected_version,
            events=list(self.history.fresh),
            projection=self.history.projection,
            expected_responses=self.expected_responses,
            children=list(self.children),
            delays=list(self.delays),
            response=self._response(),
        )

    def _response(self) -> ev.Response | None:
        if self.outcome is None or parent_of(self.history.id) is None:
            return None
        return ev.Response(position=0, at=self.now, id=self.history.id, result=ev.ChildFinished(outcome=self.outcome))


async def whole_log(store: Store, execution_id: ExecutionId) -> Sequence[ev.Recorded]:
    entries: list[ev.Recorded] = []
    while page := await store.log(execution_id, start=len(entries)):
        entries += page
        if len(page) < PAGE_MAX:
            break
    return entries


async def all_responses(store: Store, execution_id: ExecutionId) -> Sequence[ev.Response]:
    found: list[ev.Response] = []
    while page := await store.responses(execution_id, after=len(found)):
        found += page
        if len(page) < PAGE_MAX:
            break
    return found


def decision_on(new: NewExecution, now: Instant = START) -> Decision:
    """A decision about an execution that was just created."""
    return Decision(History(new.id, new.events, ()), now, len(new.events), 0)


async def decide(store: Store, execution_id: ExecutionId, now: Instant = START) -> Decision:
    """Read an execution as a service would before it decides."""
    log = await whole_log(store, execution_id)
    history = History(execution_id, log, await all_responses(store, execution_id))
    history.run_to_end()
    return Decision(history, now, len(log), len(history.responses))


async def finish(
    store: Store, execution_id: ExecutionId, outcome: ev.Outcome = OK, now: Instant = START
) -> ev.Response | None:
    return await store.append((await decide(store, execution_id, now)).finish(outcome).append)


async def running_workflow(store: Store, number: int = 1, executor: ExecutorId = ONE) -> ExecutionId:
    """A workflow that `executor` holds."""
    parent = numbered(number)
    await store.create(locked(workflow(parent), executor))
    return parent


async def waiting_workflow(
    store: Store, number: int = 1, executor: ExecutorId = ONE
) -> tuple[ExecutionId, ExecutionId]:
    """A workflow that `executor` holds, blocked on the activity it called: (workflow, activity)."""
    parent = await running_workflow(store, number, executor)
    decision = await decide(store, parent)
    child = decision.call()
    await store.append(decision.append)
    return parent, child
