"""One sequence of moves on two stores, which must answer the same and hold the same after each.

A move takes two numbers that decide what it does; a move that does not apply does nothing. Times go back and forth,
decisions come late, executors die: whatever the numbers say.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import DelayId, ExecutionId, ExecutorId, Instant, JoinSetId
from obelisk_runtime.ports.store import Append, ExecutionFilter, LogLevel, LogRecord, Offer, Store
from obelisk_runtime.testing.clock import SECOND, START
from obelisk_runtime.testing.conformance.checks import Row, check, dump, listed
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    ACTIVITY,
    ONE,
    OTHER_ACTIVITY,
    TWO,
    WORKFLOWS,
    Decision,
    activity,
    decide,
    locked,
    numbered,
    workflow,
)

EXECUTORS = (ONE, TWO, ExecutorId("executor-three"))
OUTCOMES: tuple[ev.Outcome, ...] = (
    ev.Ok(value="1"),
    ev.Err(),
    ev.Failed(kind=ev.FailureKind.TRAPPED, reason="unreachable", backtrace=("0: run",)),
)
FILTERS = (
    ExecutionFilter(),
    ExecutionFilter(top_level_only=False, statuses=frozenset({"pending", "blocked"})),
    ExecutionFilter(top_level_only=False, results=frozenset({"ok", "lost"})),
    ExecutionFilter(statuses=frozenset({"paused", "cancelling"})),
    ExecutionFilter(parent=numbered(1)),
    ExecutionFilter(tags={"parity": "1"}),
    ExecutionFilter(function_prefix="testing:kit/activities@", top_level_only=False),
)
LATE_MAX = 8
IDS = 24
"""Few enough that some are taken."""


class Play:
    def __init__(self, reference: Store, tested: Store) -> None:
        self._reference = reference
        self._tested = tested
        self._now = START
        self._rows: Mapping[ExecutionId, Row] = {}
        self._late: list[Append] = []
        self._delays: list[DelayId] = []

    async def move(self, move: "Move", a: int, b: int) -> None:
        await move(self, a, b)

    async def _both(self, call: Callable[[Store], Awaitable[Any]]) -> None:
        expected = await _answer(call(self._reference))
        found = await _answer(call(self._tested))
        assert found == expected
        self._rows = await dump(self._reference)
        check(self._rows)
        assert await dump(self._tested) == self._rows

    async def _read(self, call: Callable[[Store], Awaitable[Any]]) -> None:
        assert await _answer(call(self._tested)) == await _answer(call(self._reference))

    def _pick(self, number: int, fits: Callable[[proj.Projection], bool]) -> ExecutionId | None:
        found = [execution_id for execution_id, row in self._rows.items() if fits(row.projection)]
        return found[number % len(found)] if found else None

    async def _write(self, decision: Decision, a: int) -> None:
        """Write a decision, now or, some of them, later; or twice."""
        append = decision.append
        if not append.events:
            return
        if a % 3 == 0:
            self._late = [*self._late, append][-LATE_MAX:]
        if a % 6 != 0:
            self._delays += [delay.id for delay in append.delays]
            await self._both(lambda store: store.append(append))

    # Moves

    async def create_activity(self, a: int, b: int) -> None:
        function = OTHER_ACTIVITY if b % 3 == 0 else ACTIVITY
        due = Instant(self._now + b % 7 * SECOND) if b % 2 else None
        new = activity(
            numbered(a % IDS),
            function=function,
            params=f"[{b % 2}]",
            due=due,
            tags={"parity": str(b % 2)},
            at=self._now,
        )
        await self._both(lambda store: store.create(new))

    async def create_workflow(self, a: int, b: int) -> None:
        new = workflow(numbered(a % IDS), at=self._now)
        if b % 2:
            new = locked(new, EXECUTORS[b % len(EXECUTORS)], self._now)
        await self._both(lambda store: store.create(new))

    async def lock(self, a: int, b: int) -> None:
        offers = [
            Offer(WORKFLOWS.kind, WORKFLOWS.functions, b % 3),
            Offer(ACTIVITIES.kind, ACTIVITIES.functions, b % 4),
        ]
        await self._both(lambda store: store.lock_pending(self._now, EXECUTORS[a % len(EXECUTORS)], offers))

    async def step(self, a: int, b: int) -> None:
        """A running workflow makes up to three host calls, the last of which may wait."""
        running = self._pick(a, lambda p: _is_workflow(p) and isinstance(p.status, proj.Locked) and not p.deciding)
        if running is None:
            return
        decision = await decide(self._reference, running, self._now)
        for turn in range(3):
            _call(decision, b // 7**turn)
            if isinstance(decision.history.projection.status, proj.Blocked):
                break
        if b % 4 == 0 and decision.history.fresh:
            blocked = isinstance(decision.history.projection.status, proj.Blocked)
            decision.life(ev.Unlocked(reason="evicted", parked=blocked and b % 8 == 0))
        await self._write(decision, a)

    async def end(self, a: int, b: int) -> None:
        """An execution ends, mostly an activity; a workflow first waits for what it left open."""
        only_activities = b % 5 != 0
        ending = self._pick(
            a, lambda p: not isinstance(p.status, proj.Finished) and not (only_activities and _is_workflow(p))
        )
        if ending is None:
            return
        decision = await decide(self._reference, ending, self._now)
        projection = decision.history.projection
        if _is_workflow(projection) and not projection.deciding:
            decision.life(ev.OutcomeDecided(outcome=OUTCOMES[b % len(OUTCOMES)]))
        if not isinstance(decision.history.projection.status, proj.Blocked):
            decision.finish(OUTCOMES[b % len(OUTCOMES)])
        await self._write(decision, b)

    async def fail(self, a: int, b: int) -> None:
        """An attempt of an activity ends, but not the activity."""
        failing = self._pick(a, lambda p: not _is_workflow(p) and isinstance(p.status, proj.Locked))
        if failing is None:
            return
        due = Instant(self._now + b % 5 * SECOND)
        event = ev.AttemptTimedOut(due=due) if b % 2 else ev.AttemptFailed(outcome=OUTCOMES[1], due=due)
        await self._write((await decide(self._reference, failing, self._now)).life(event), b)

    async def control(self, a: int, b: int) -> None:
        controlled = self._pick(a, lambda p: not isinstance(p.status, proj.Finished))
        if controlled is None:
            return
        decision = await decide(self._reference, controlled, self._now)
        if b % 3:
            decision.life(ev.Paused(reason="") if b % 2 else ev.Resumed(reason=""))
        else:
            decision.life(*decisions.cancel(decision.history.projection, "a person"))
        await self._write(decision, b)

    async def late(self, a: int, _: int) -> None:
        """A decision comes late, or again."""
        if self._late:
            append = self._late[a % len(self._late)]
            await self._both(lambda store: store.append(append))

    async def fire(self, a: int, _: int) -> None:
        await self._both(lambda store: store.fire_delays(self._now, 1 + a % 3))

    async def cancel_delay(self, a: int, _: int) -> None:
        if self._delays:
            await self._both(lambda store: store.cancel_delay(self._delays[a % len(self._delays)], self._now))

    async def beat(self, a: int, _: int) -> None:
        await self._both(lambda store: store.beat(EXECUTORS[a % len(EXECUTORS)], self._now))

    async def take_over(self, a: int, b: int) -> None:
        living = EXECUTORS[a % len(EXECUTORS)]
        silent_since = Instant(self._now - b % 20 * SECOND)
        await self._both(lambda store: store.take_over(self._now, silent_since=silent_since, living=living))

    async def retire(self, a: int, _: int) -> None:
        await self._both(lambda store: store.retire(EXECUTORS[a % len(EXECUTORS)], self._now))

    async def tick(self, a: int, b: int) -> None:
        """The clock moves, one time in five back."""
        self._now = Instant(self._now + (-1 if b % 5 == 0 else 1) * (a % 10) * SECOND)

    async def log(self, a: int, b: int) -> None:
        execution_id = self._pick(a, lambda _: True) or numbered(a % IDS)
        records = [LogRecord(execution_id, b % 3, n, self._now, LogLevel.INFO, "log", f"{n}") for n in range(a % 4)]
        await self._both(lambda store: store.write_logs(records))
        await self._read(lambda store: _messages(store, execution_id))

    async def look(self, a: int, b: int) -> None:
        await self._read(lambda store: store.next_due())
        await self._read(lambda store: listed(store, FILTERS[a % len(FILTERS)], limit=1 + b % 3))
        await self._read(lambda store: store.get(numbered(b % IDS)))


Move = Callable[[Play, int, int], Awaitable[None]]
MOVES: Sequence[Move] = (
    *(Play.create_activity, Play.create_workflow, Play.create_workflow, Play.lock, Play.lock, Play.lock),
    *(Play.step, Play.step, Play.step, Play.step, Play.step, Play.step, Play.end, Play.end, Play.fail, Play.control),
    *(Play.late, Play.late, Play.fire, Play.cancel_delay, Play.beat, Play.take_over, Play.retire, Play.tick, Play.tick),
    *(Play.log, Play.look),
)
"""The likely ones several times."""


def _is_workflow(projection: proj.Projection) -> bool:
    return projection.kind is ev.ExecutionKind.WORKFLOW


def _call(decision: Decision, number: int) -> None:
    """One host call of a workflow."""
    sets = [JoinSetId(s.id) for s in decision.history.sets.values() if s.id.startswith("g:") and not s.closed]
    join_set = sets[number % len(sets)] if sets else None
    match number % 7:
        case 0:
            decision.call(f"[{number}]")
        case 1:
            decision.sleep(Instant(decision.now + number % 9 * SECOND))
        case 2 | 3 if join_set is not None:
            decision.submit(join_set)
        case 4 if join_set is not None:
            decision.submit_delay(join_set, Instant(decision.now + number % 9 * SECOND))
        case 5 if join_set is not None:
            decision.await_next(join_set)
        case 6 if join_set is not None:
            decision.close(join_set)
        case _:
            decision.join_set()


async def _answer(call: Awaitable[Any]) -> object:
    """What a call answered, or what it was refused with: the fact and its fields, not its words."""
    try:
        return await call
    except ObeliskError as error:
        fields = {name: value for name, value in vars(error).items() if not name.startswith("_")}
        return type(error), fields


async def _messages(store: Store, execution_id: ExecutionId) -> list[LogRecord]:
    return [record for _, record in await store.read_logs(execution_id)]
