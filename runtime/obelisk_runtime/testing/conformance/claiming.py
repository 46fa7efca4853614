"""Many claimants at once: one winner each time, nothing lost, nothing done twice. No hint is used."""

import asyncio
from dataclasses import replace

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import ExecutionId, ExecutorId, Instant
from obelisk_runtime.ports.store import Claim, Offer, Store, VersionConflict
from obelisk_runtime.testing.clock import SECOND, START, SeededIds
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    LATER,
    OK,
    ONE,
    activity,
    decide,
    locked,
    numbered,
    running_workflow,
)

CLAIMANTS = pytest.mark.parametrize("claimants", [2, 8, 32])


def executor(number: int) -> ExecutorId:
    return ExecutorId(f"executor-{number}")


class TestClaimants:
    pytestmark = pytest.mark.asyncio

    @CLAIMANTS
    async def test_one_execution_has_one_winner(self, raw_store: Store, claimants: int) -> None:
        await raw_store.create(activity(numbered(1)))
        claims = await asyncio.gather(
            *(raw_store.lock_pending(START, executor(n), [ACTIVITIES]) for n in range(claimants))
        )
        (winner,) = [number for number, claimed in enumerate(claims) if claimed]
        assert (await raw_store.get(numbered(1))).holder == executor(winner)

    @CLAIMANTS
    async def test_all_are_claimed_and_none_twice(self, raw_store: Store, claimants: int) -> None:
        created = [numbered(number) for number in range(100)]
        await asyncio.gather(*(raw_store.create(activity(execution_id)) for execution_id in created))
        claimed: list[Claim] = []
        offer = Offer(ACTIVITIES.kind, ACTIVITIES.functions, 3)

        async def claim_all(number: int) -> None:
            while claims := await raw_store.lock_pending(START, executor(number), [offer]):
                assert len(claims) <= 3
                claimed.extend(claims)

        await asyncio.gather(*(claim_all(number) for number in range(claimants)))
        assert sorted(claim.id for claim in claimed) == created

    @CLAIMANTS
    async def test_of_many_decisions_about_one_version_one_is_written(self, raw_store: Store, claimants: int) -> None:
        parent = await running_workflow(raw_store)
        attempts = [(await decide(raw_store, parent)).life(ev.Paused(reason=str(n))).append for n in range(claimants)]
        results = await asyncio.gather(*(raw_store.append(append) for append in attempts), return_exceptions=True)
        winners = [number for number, result in enumerate(results) if result is None]
        assert len(winners) == 1
        assert all(isinstance(result, VersionConflict) for result in results if result is not None)
        assert (await raw_store.log(parent))[-1].event == ev.Paused(reason=str(winners[0]))

    @CLAIMANTS
    async def test_of_many_take_overs_one_frees(self, raw_store: Store, claimants: int) -> None:
        await raw_store.create(locked(activity(numbered(1)), ONE))
        freed = await asyncio.gather(
            *(raw_store.take_over(LATER, silent_since=LATER, living=executor(n)) for n in range(claimants))
        )
        assert sorted(map(list, freed)) == [[]] * (claimants - 1) + [[numbered(1)]]
        assert (await raw_store.get(numbered(1))).losses == 1

    @CLAIMANTS
    async def test_of_many_that_fire_a_delay_one_does(self, raw_store: Store, claimants: int) -> None:
        parent = await running_workflow(raw_store)
        decision = await decide(raw_store, parent)
        delay = decision.sleep(START)
        await raw_store.append(decision.append)
        fired = await asyncio.gather(
            *(raw_store.fire_delays(START, 10) for _ in range(claimants)),
            *(raw_store.cancel_delay(delay, START) for _ in range(claimants)),
        )
        assert len([answer for answer in fired if answer]) == 1
        assert len(await raw_store.responses(parent)) == 1

    async def test_all_work_is_done_once_while_executors_die(self, raw_store: Store) -> None:
        """Eight executors over forty failing, finishing and abandoned activities, by polling alone."""
        created = [numbered(number) for number in range(40)]
        await asyncio.gather(*(raw_store.create(activity(execution_id)) for execution_id in created))
        done: list[ExecutionId] = []
        workers = [_Worker(raw_store, executor(number), SeededIds(number), done) for number in range(8)]
        for turn in range(500):
            if len(done) == len(created):
                break
            now = Instant(START + turn * SECOND)
            await asyncio.gather(*(worker.turn(now) for worker in workers))
        rows = await dump(raw_store)
        assert sorted(done) == created
        assert all(isinstance(row.projection.status, proj.Finished) for row in rows.values())


class _Worker:
    """Claims one activity a turn, then finishes it, fails it, or goes silent for a while with it in its hands."""

    def __init__(self, store: Store, executor_id: ExecutorId, chance: SeededIds, done: list[ExecutionId]) -> None:
        self._store = store
        self._executor = executor_id
        self._chance = chance
        self._done = done
        self._silent = 0
        self._abandoned: list[Claim] = []

    async def turn(self, now: Instant) -> None:
        if self._silent:
            self._silent -= 1
            return
        await self._store.beat(self._executor, now)
        await self._store.take_over(now, silent_since=Instant(now - 3 * SECOND), living=self._executor)
        for claim in self._abandoned:
            await self._end(claim, OK, now)
        self._abandoned = []
        for claim in await self._store.lock_pending(
            now, self._executor, [Offer(ACTIVITIES.kind, ACTIVITIES.functions, 1)]
        ):
            await self._work(claim, now)

    async def _work(self, claim: Claim, now: Instant) -> None:
        chance = self._chance.fraction()
        if chance < 0.3:
            self._silent = 6
            self._abandoned.append(claim)
        else:
            await self._end(claim, OK if chance < 0.7 else ev.Err(), now)

    async def _end(self, claim: Claim, outcome: ev.Outcome, now: Instant) -> None:
        """End the attempt as it was claimed: a zombie finds another version."""
        decision = await decide(self._store, claim.id, now)
        if isinstance(outcome, ev.Err):
            decision.life(ev.AttemptFailed(outcome=outcome, due=Instant(now + SECOND)))
        else:
            decision.finish(outcome)
        try:
            await self._store.append(replace(decision.append, expected_version=claim.projection.version))
        except VersionConflict:
            return
        if isinstance(outcome, ev.Ok):
            self._done.append(claim.id)
