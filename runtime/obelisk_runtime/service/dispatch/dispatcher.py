"""Who runs next: claims what is due from the store, fires delays, and begins executions turn by turn.

Hints and timers only make it look sooner; it also looks every `limits.poll`, so nothing depends on them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from obelisk_runtime.core import decisions
from obelisk_runtime.core import events as ev
from obelisk_runtime.core.deployment import RuntimeLimits
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant, parent_of
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.poison import poisonous
from obelisk_runtime.ports.store import Claim, ExecutionNotFound, Offer, StoreUnavailable
from obelisk_runtime.service.activities.attempt import Attempt, NoAttempt
from obelisk_runtime.service.activities.record import LockedActivity
from obelisk_runtime.service.components.deployed import Target
from obelisk_runtime.service.control.cancellation import expire
from obelisk_runtime.service.dispatch.slots import Slots
from obelisk_runtime.service.executions.outside import append_outside
from obelisk_runtime.service.executions.reading import read_log
from obelisk_runtime.service.executions.signatures import mismatch_with_parent
from obelisk_runtime.service.process.node import Node, Startable, logger
from obelisk_runtime.service.webhooks.run import run_of

TURN_SECONDS = 0.005
"""How long executions are begun in one turn of the event loop before others have theirs."""
DELAYS_PER_FIRING_MAX = 500
EXPIRIES_MAX = 100
"""Executions ended at their deadlines before others are claimed again."""
CLAIMS_MAX = 128
"""Executions of a kind locked in one transaction."""
_NEVER = Instant(2**62)


class Dispatcher:
    def __init__(self, node: Node) -> None:
        self._node = node
        self.slots = Slots(_capacity(node.limits), node.deployment.concurrency_limit)
        self._starved = False
        """A slot was asked for and there was none, or a claim filled all of them."""
        self._queues: dict[str, deque[tuple[float, Startable]]] = {}
        """What is to begin, and since when, by who answers for it: they take turns, so that nobody waits for all of a
        flood.
        """
        self._begin_scheduled = False
        self._woken = asyncio.Event()
        self._next_due = _NEVER
        self._alarm: asyncio.TimerHandle | None = None

    # Slots

    def reserve(
        self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn, *, force: bool = False
    ) -> bool:
        if force:
            self.slots.hold(kind, execution_id, function)
            return True
        if kind is ev.ExecutionKind.STUB or self._node.stopping:
            return False
        if not self.slots.take(kind, execution_id, function):
            self._starved = True
            return False
        return True

    def release(self, kind: ev.ExecutionKind, execution_id: ExecutionId, function: Ffqn) -> None:
        self.slots.give_back(kind, execution_id, function)
        if self._starved:
            self.wake()

    def room(self, kind: ev.ExecutionKind) -> int:
        return self.slots.room(kind)

    def resize(self, limits: RuntimeLimits) -> None:
        """Other numbers of slots; what runs beyond the new ones ends first."""
        self.slots.capacity = _capacity(limits)
        self.wake()

    # Beginning what is locked

    def enqueue(self, item: Startable) -> None:
        loop = asyncio.get_running_loop()
        self._queues.setdefault(item.owner, deque()).append((loop.time(), item))
        if not self._begin_scheduled:
            self._begin_scheduled = True
            loop.call_soon(self._begin_some)

    def _begin_some(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TURN_SECONDS
        while self._queues:
            try:
                since, item = self._next_in_turn()
                self._node.measures.starts.add(loop.time() - since)
                item.begin()
            except Exception:  # noqa: BLE001 - a bug; the others shall begin all the same
                logger.exception("an execution could not begin")
            if loop.time() > deadline:
                break
        if self._queues:
            loop.call_soon(self._begin_some)
        else:
            self._begin_scheduled = False

    def _next_in_turn(self) -> tuple[float, Startable]:
        """The first of the owner whose turn it is, who is then the last one."""
        owner = next(iter(self._queues))
        queue = self._queues.pop(owner)
        first = queue.popleft()
        if queue:
            self._queues[owner] = queue
        return first

    # Looking into the store

    def wake(self) -> None:
        self._woken.set()

    def due_at(self, instant: Instant) -> None:
        if instant >= self._next_due:
            return
        self._next_due = instant
        if self._alarm is not None:
            self._alarm.cancel()
        seconds = max(0.0, (instant - self._node.clock.now()) / 1e6)
        self._alarm = asyncio.get_running_loop().call_later(seconds, self.wake)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    busy = await self._look()
                except StoreUnavailable as error:
                    logger.warning("the store is unavailable; nothing is claimed for now", extra={"reason": str(error)})
                    busy = False
                if not busy:
                    await self._sleep()
        finally:
            if self._alarm is not None:
                self._alarm.cancel()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._node.limits.poll / 1e6):
                await self._woken.wait()
        except TimeoutError:
            pass

    async def _look(self) -> bool:
        """Fire and claim once. True if there may be more at once."""
        self._woken.clear()
        self._next_due = _NEVER
        due = await self._node.store.next_due()
        now = self._node.clock.now()
        busy = False
        if due is not None and due <= now:
            busy = await self._fire(now)
            busy = await self._claim(now) or busy
            await self._expire(now)
            if not busy:  # what is due and was not claimed waits for something else than time
                due = await self._node.store.next_due(after=now)
        if due is not None and due > now:
            self.due_at(due)
        return busy

    async def _fire(self, now: Instant) -> bool:
        fired = await self._node.store.fire_delays(now, DELAYS_PER_FIRING_MAX)
        for delay in fired:
            self._node.responded(delay.response)
        return bool(fired)

    async def _expire(self, now: Instant) -> None:
        """End what has reached its deadline."""
        for execution_id in await self._node.store.overdue(now, EXPIRIES_MAX):
            with suppress(ExecutionNotFound):  # it ended by itself meanwhile, and was deleted
                await expire(self._node, execution_id)

    async def _claim(self, now: Instant) -> bool:
        targets = self._node.deployment.targets
        offers = self._offers(targets)
        if not offers:
            return False
        slots = self.slots
        slots.claimed.update({offer.kind: 0 for offer in offers})
        for offer in offers:
            slots.claimed[offer.kind] += offer.limit
        slots.claiming = frozenset(name for offer in offers for name in offer.functions or () if self._limited(name))
        claims: list[Claim] = []
        try:
            claims = list(await self._node.store.lock_pending(now, self._node.executor, offers))
        finally:
            slots.claimed.clear()
            slots.claiming = frozenset()
        for claim in claims:
            slots.hold(claim.created.kind, claim.id, claim.created.function)
            self._take(claim, targets)
        self._starved = any(self.slots.room(kind) <= 0 for kind in self.slots.capacity) or any(
            self.slots.function_room(name) == 0 for name in targets
        )
        return bool(claims)

    def _limited(self, function: Ffqn) -> bool:
        return self.slots.function_room(function) is not None

    def _offers(self, targets: Mapping[Ffqn, Target]) -> list[Offer]:
        """One for the functions of a kind without a limit of their own, one for each with one."""
        return [] if self._node.stopping else [*self._workflow_offers(), *self._activity_offers(targets)]

    def _workflow_offers(self) -> list[Offer]:
        """Of any function: each workflow is pinned to a component in the store, deployed or not; webhooks only end."""
        kinds = (ev.ExecutionKind.WORKFLOW, ev.ExecutionKind.WEBHOOK)
        rooms = [(kind, min(self.slots.room(kind), CLAIMS_MAX)) for kind in kinds]
        return [Offer(kind, None, room) for kind, room in rooms if room]

    def _activity_offers(self, targets: Mapping[Ffqn, Target]) -> list[Offer]:
        kind = ev.ExecutionKind.ACTIVITY
        left = min(self.slots.room(kind), CLAIMS_MAX)
        offers: list[Offer] = []
        unlimited: dict[Ffqn, Digest | None] = {}
        for name, target in targets.items():
            if target.kind is not kind:
                continue
            room = self.slots.function_room(name)
            if room is None:
                unlimited[name] = target.component.digest
            elif limit := min(room, left):
                offers.append(Offer(kind, {name: target.component.digest}, limit))
                left -= limit
        return [*offers, Offer(kind, unlimited, left)] if unlimited and left else offers

    def _take(self, claim: Claim, targets: Mapping[Ffqn, Target]) -> None:
        """`targets`: what was deployed when it was claimed, whose digest the claim recorded."""
        node = self._node
        if claim.created.kind.has_children:
            node.measures.replays += claim.projection.attempts > 1
            self.enqueue(run_of(node, claim.id, claim.projection))
            return
        target = targets[claim.created.function]
        activity = LockedActivity(claim.id, claim.created.params, claim.projection)
        lost = decisions.lost_for_good(claim.projection, target.component.settings.retries)
        if lost is not None:
            self.enqueue(NoAttempt(node, activity, lost))
            return
        older = parent_of(claim.id) is not None and claim.projection.created <= node.deployment.since
        if older or claim.projection.losses >= node.limits.deaths_max:
            node.spawn(self._look_and_begin(target, activity, older=older))
        else:
            self._begin(target, activity, None)

    async def _look_and_begin(self, target: Target, activity: LockedActivity, *, older: bool) -> None:
        """`older`: its parent submitted it under an earlier deployment."""
        node, id_ = self._node, activity.id
        poison: str | None = None
        while True:
            log = await node.insist(lambda: read_log(node.store, id_))
            # A pause begins the count of deaths anew, but it does not acquit.
            poison = poisonous(log, node.limits.deaths_max) or (
                poison if activity.projection.lifecycle.paused else None
            )
            if poison is None:
                self._begin(target, activity, await mismatch_with_parent(node, id_, target) if older else None)
                return
            if await self._put_aside(activity, poison):
                break
            projection = await node.insist(lambda: node.store.get(id_))
            if projection.holder != node.executor or projection.attempts != activity.projection.attempts:
                break
            activity = replace(activity, projection=projection)
        self.release(ev.ExecutionKind.ACTIVITY, id_, activity.projection.function)

    async def _put_aside(self, activity: LockedActivity, poison: str) -> bool:
        """Let go of it until somebody resumes it; False if it moved on meanwhile."""
        node = self._node
        paused = () if activity.projection.lifecycle.paused else (ev.Paused(poison),)
        events = *paused, ev.Unlocked(poison)
        done = await node.insist(lambda: append_outside(node, activity.id, activity.projection, events))
        if done:
            logger.warning("an activity is paused", extra={"execution": activity.id, "reason": poison})
        return done

    def _begin(self, target: Target, activity: LockedActivity, mismatch: str | None) -> None:
        misfit = mismatch or target.misfit(activity.params)
        node = self._node
        self.enqueue(Attempt(node, target, activity) if misfit is None else NoAttempt.rejected(node, activity, misfit))


def _capacity(limits: RuntimeLimits) -> dict[ev.ExecutionKind, int]:
    return {
        ev.ExecutionKind.WORKFLOW: limits.workflows_max,
        ev.ExecutionKind.WEBHOOK: limits.workflows_max,
        ev.ExecutionKind.ACTIVITY: limits.activities_max,
    }
