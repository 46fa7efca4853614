"""Executions: created once, appended to, read back."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.ports.store import (
    PAGE_MAX,
    CreateOutcome,
    ExecutionFilter,
    ExecutionNotFound,
    IdConflict,
    NewDelay,
    Store,
    StoreUnavailable,
    VersionConflict,
)
from obelisk_runtime.testing.backends import Backend
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    ACTIVITY,
    DIGEST,
    LATER,
    OK,
    ONE,
    OTHER_ACTIVITY,
    OTHER_DIGEST,
    TWO,
    activity,
    all_responses,
    created,
    decide,
    decision_on,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
    whole_log,
    workflow,
)

UNICODE = "Grüße, 世界 — naïve \u202e 🦀 '\"\\ %_ \x00 \x7f"
MIB = 1024 * 1024


class TestCreate:
    pytestmark = pytest.mark.asyncio

    async def test_a_created_execution_is_read_back_as_it_was_given(self, store: Store) -> None:
        new = activity(numbered(1), params="[1]", due=LATER, tags={"team": "blue"})
        assert await store.create(new) is CreateOutcome.CREATED
        assert await store.get(new.id) == new.projection
        assert list(await store.log(new.id)) == list(new.events)
        assert list(await store.responses(new.id)) == []

    async def test_an_execution_can_be_created_locked(self, store: Store) -> None:
        new = locked(workflow(numbered(1)), ONE)
        await store.create(new)
        assert (await store.get(new.id)).holder == ONE
        assert len(await store.log(new.id)) == 2

    async def test_the_same_content_again_exists_and_changes_nothing(self, store: Store) -> None:
        await store.create(activity(numbered(1), params="[1]"))
        before = await dump(store)
        again = activity(numbered(1), params="[1]", due=LATER, tags={"other": "tag"}, at=LATER)
        assert await store.create(again) is CreateOutcome.EXISTED
        assert await dump(store) == before

    async def test_the_same_content_exists_also_when_it_is_finished(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await finish(store, numbered(1))
        assert await store.create(activity(numbered(1))) is CreateOutcome.EXISTED

    async def test_another_content_is_a_conflict_and_changes_nothing(self, store: Store) -> None:
        await store.create(activity(numbered(1), params="[1]"))
        before = await dump(store)
        for other in (
            activity(numbered(1), params="[2]"),
            activity(numbered(1), function=OTHER_ACTIVITY, params="[1]"),
        ):
            with pytest.raises(IdConflict) as caught:
                await store.create(other)
            assert caught.value.execution_id == numbered(1)
        assert await dump(store) == before

    async def test_of_many_creations_at_once_one_creates(self, store: Store) -> None:
        outcomes = await asyncio.gather(*(store.create(activity(numbered(1))) for _ in range(16)))
        assert sorted(outcomes) == [CreateOutcome.CREATED] + [CreateOutcome.EXISTED] * 15

    async def test_an_unknown_execution_is_not_found(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        append = (await decide(store, numbered(1))).finish().append
        unknown = numbered(2)
        for call in (store.get(unknown), store.log(unknown), store.responses(unknown)):
            with pytest.raises(ExecutionNotFound):
                await call
        with pytest.raises(ExecutionNotFound) as caught:
            await store.append(replace(append, id=unknown))
        assert caught.value.execution_id == unknown

    async def test_writes_happen_in_the_order_they_were_made_awaited_or_not(self, store: Store) -> None:
        new = locked(activity(numbered(1)), ONE)
        first = store.create(new)
        second = store.append(decision_on(new, LATER).finish().append)
        assert await second is None
        assert await first is CreateOutcome.CREATED
        assert isinstance((await store.get(new.id)).status, proj.Finished)

    async def test_a_cancelled_waiter_does_not_stop_the_write(self, raw_store: Store) -> None:
        async def create() -> None:
            await raw_store.create(activity(numbered(1)))

        waiter = asyncio.ensure_future(create())
        await asyncio.sleep(0)
        waiter.cancel()
        again = raw_store.create(activity(numbered(1)))
        with pytest.raises(asyncio.CancelledError):
            await waiter
        async with asyncio.timeout(10):
            assert await again is CreateOutcome.EXISTED

    async def test_closing_finishes_what_is_under_way_and_refuses_more(self, backend: Backend, tmp_path: Path) -> None:
        store = await backend.open(tmp_path, None)
        under_way = store.create(activity(numbered(1)))
        await store.close()
        assert await under_way is CreateOutcome.CREATED
        with pytest.raises(StoreUnavailable):
            await store.create(activity(numbered(2)))


class TestCreateAll:
    pytestmark = pytest.mark.asyncio

    async def test_all_are_created_in_order_and_what_existed_is_left(self, store: Store) -> None:
        await store.create(activity(numbered(2), tags={"first": "yes"}))
        outcomes = await store.create_all([activity(numbered(number)) for number in (3, 2, 1)])
        assert outcomes == [CreateOutcome.CREATED, CreateOutcome.EXISTED, CreateOutcome.CREATED]
        page = await store.list(ExecutionFilter())
        assert [item.id for item in page.items] == [numbered(1), numbered(3), numbered(2)]
        assert await store.create_all([]) == []

    async def test_if_one_is_refused_none_is_created(self, store: Store) -> None:
        await store.create(activity(numbered(2)))
        other = activity(numbered(2), params="[1]")
        for batch in ([activity(numbered(1)), other], [other, activity(numbered(1))]):
            with pytest.raises(IdConflict) as caught:
                await store.create_all(batch)
            assert caught.value.execution_id == numbered(2)
        page = await store.list(ExecutionFilter())
        assert [item.id for item in page.items] == [numbered(2)]

    async def test_a_batch_does_not_disturb_writes_beside_it(self, raw_store: Store) -> None:
        await raw_store.create(activity(numbered(5)))
        refused = raw_store.create_all([activity(numbered(1)), activity(numbered(5), params="[1]")])
        beside = raw_store.create(activity(numbered(2)))
        taken = raw_store.create_all([activity(numbered(number)) for number in (3, 4)])
        with pytest.raises(IdConflict):
            await refused
        assert await beside is CreateOutcome.CREATED
        assert await taken == [CreateOutcome.CREATED] * 2


class TestAppend:
    pytestmark = pytest.mark.asyncio

    async def test_children_and_delays_come_with_the_events(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        child = decision.submit(join_set, "[7]")
        delay = decision.submit_delay(join_set, LATER)
        decision.await_next(join_set)
        assert await store.append(decision.append) is None
        assert await store.get(parent) == decision.append.projection
        assert (await store.get(child)) == decision.children[0].projection
        fired = await store.fire_delays(LATER, 10)
        assert [(f.id, f.parent) for f in fired] == [(delay, parent)]

    async def test_a_finished_child_responds_to_its_parent(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        before = await store.get(parent)
        await store.lock_pending(START, TWO, [ACTIVITIES])
        response = await finish(store, child, now=LATER)
        assert response == ev.Response(position=1, at=LATER, id=child, result=ev.ChildFinished(outcome=OK))
        assert list(await store.responses(parent)) == [response]
        after = await store.get(parent)
        assert after.version == before.version
        assert after.responses == 1
        assert after.status == proj.Locked(ONE)

    async def test_nothing_is_appended_after_finished(self, store: Store) -> None:
        await store.create(locked(activity(numbered(1)), ONE))
        await finish(store, numbered(1))
        before = await dump(store)
        for event in (ev.Paused(reason="late"), ev.Finished(outcome=OK), ev.Locked(executor=TWO, attempt=2)):
            with pytest.raises(VersionConflict):
                await store.append((await decide(store, numbered(1))).life(event).append)
        assert await dump(store) == before

    async def test_a_duplicate_child_is_a_conflict_and_writes_nothing(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        decision.submit(decision.join_set())
        await store.append(decision.append)
        before = await dump(store)
        again = await decide(store, parent)
        fresh = again.submit(again.join_set())
        again.children.append(activity(decision.children[0].id, params="[9]"))
        with pytest.raises(IdConflict) as caught:
            await store.append(again.append)
        assert caught.value.execution_id == decision.children[0].id
        assert await dump(store) == before
        assert fresh not in before

    async def test_scheduled_executions_come_with_the_events_and_only_once(self, store: Store) -> None:
        parent = await running_workflow(store)
        new = activity(numbered(77), params="[7]", due=LATER)
        for _ in range(2):
            decision = await decide(store, parent)
            await store.append(replace(decision.append, scheduled=[new]))
        assert (await store.get(new.id)).due == LATER
        assert len(await store.log(new.id)) == 1
        assert await store.responses(parent) == []

    async def test_a_scheduled_execution_of_other_content_is_a_conflict_and_writes_nothing(self, store: Store) -> None:
        parent = await running_workflow(store)
        await store.create(activity(numbered(77), params="[7]"))
        before = await dump(store)
        decision = await decide(store, parent)
        decision.submit(decision.join_set())
        with pytest.raises(IdConflict):
            await store.append(replace(decision.append, scheduled=[activity(numbered(77), params="[8]")]))
        assert await dump(store) == before

    async def test_a_duplicate_delay_is_a_conflict_and_writes_nothing(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        taken = decision.submit_delay(join_set, LATER)
        await store.append(decision.append)
        before = await dump(store)
        again = await decide(store, parent)
        again.submit_delay(join_set, LATER)
        again.delays.append(NewDelay(taken, START))
        with pytest.raises(IdConflict):
            await store.append(again.append)
        assert await dump(store) == before
        assert await store.fire_delays(START, 10) == []
        assert [fired.id for fired in await store.fire_delays(LATER, 10)] == [taken]

    async def test_a_fired_delay_keeps_its_id_taken(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        taken = decision.submit_delay(join_set, START)
        await store.append(decision.append)
        await store.fire_delays(START, 10)
        again = await decide(store, parent)
        again.submit(join_set)
        again.delays.append(NewDelay(taken, LATER))
        with pytest.raises(IdConflict):
            await store.append(again.append)

    async def test_a_second_response_is_a_conflict_and_writes_nothing(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        answering = (await decide(store, child)).life(ev.Paused(reason="for a test")).append
        response = ev.Response(position=0, at=START, id=child, result=ev.ChildFinished(outcome=OK))
        await store.append(replace(answering, response=response))
        before = await dump(store)
        with pytest.raises(IdConflict):
            await finish(store, child)
        assert await dump(store) == before
        assert len(await store.responses(parent)) == 1

    async def test_every_event_of_an_activity_is_read_back_as_it_was_written(self, store: Store) -> None:
        await store.create(created(_FULL_CREATED, numbered(1)))
        decision = await decide(store, numbered(1), LATER)
        decision.life(
            ev.Locked(executor=ONE, attempt=1, digest=OTHER_DIGEST),
            ev.AttemptFailed(outcome=ev.Err(value='{"broken":[1]}'), due=LATER),
            ev.Locked(executor=ONE, attempt=2),
            ev.AttemptFailed(outcome=_TRAPPED, due=LATER),
            ev.Locked(executor=ONE, attempt=3, digest=DIGEST),
            ev.AttemptTimedOut(due=LATER),
            ev.Locked(executor=ONE, attempt=4, digest=DIGEST),
            ev.AttemptLost(reason=UNICODE, due=LATER),
            ev.Paused(reason=UNICODE),
            ev.Resumed(reason=""),
            ev.CancelRequested(reason="no"),
        ).finish(_TRAPPED)
        await store.append(decision.append)
        assert (await store.log(numbered(1)))[0].event == _FULL_CREATED
        assert list(await whole_log(store, numbered(1)))[1:] == list(decision.append.events)

    async def test_every_event_of_a_workflow_is_read_back_as_it_was_written(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent, LATER)
        join_set = decision.join_set()
        child = decision.submit(join_set, UNICODE)
        delay = decision.submit_delay(join_set, LATER)
        history = decision.history
        history.refuse(ev.SubmissionRefused(join_set, "no:such/thing.f", "[]", "function-not-found", UNICODE), LATER)
        history.draw("random-u64(1, 7)", lambda: "18446744073709551615", LATER)
        history.await_next(join_set, ACTIVITY, LATER)
        decision.life(ev.Unlocked(reason="rests", parked=True))
        await store.append(decision.append)
        await store.fire_delays(LATER, 1)
        await store.cancel_delay(delay, LATER)
        await finish(store, child, ev.Ok())
        closing = (await decide(store, parent, LATER)).close(join_set)
        closing.life(ev.OutcomeDecided(outcome=ev.Err())).finish(ev.Err())
        await store.append(closing.append)
        assert list(await whole_log(store, parent))[2:] == [*decision.append.events, *closing.append.events]
        assert list(await all_responses(store, parent)) == [
            ev.Response(position=1, at=LATER, id=delay, result=ev.DelayDue()),
            ev.Response(position=2, at=START, id=child, result=ev.ChildFinished(outcome=ev.Ok())),
        ]

    async def test_logs_and_responses_are_read_from_a_place_on_and_in_pages(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        delays = [decision.submit_delay(join_set, START) for _ in range(5)]
        await store.append(decision.append)
        await store.fire_delays(START, 10)
        assert [entry.version for entry in await store.log(parent, start=3, limit=2)] == [3, 4]
        assert list(await store.log(parent, start=100)) == []
        assert [r.position for r in await store.responses(parent, after=1, limit=3)] == [2, 3, 4]
        assert [r.id for r in await store.responses(parent)] == delays
        assert list(await store.responses(parent, after=5)) == []

    async def test_no_page_is_longer_than_the_maximum(self, raw_store: Store) -> None:
        parent = await running_workflow(raw_store)
        decision = await decide(raw_store, parent)
        join_set = decision.join_set()
        for _ in range(PAGE_MAX + 1):
            decision.submit_delay(join_set, START)
        await raw_store.append(decision.append)
        await raw_store.fire_delays(START, PAGE_MAX + 1)
        assert len(await raw_store.log(parent, limit=PAGE_MAX + 1)) == PAGE_MAX
        assert len(await raw_store.responses(parent, limit=PAGE_MAX + 1)) == PAGE_MAX
        assert len(await whole_log(raw_store, parent)) == PAGE_MAX + 4
        assert len(await all_responses(raw_store, parent)) == PAGE_MAX + 1


class TestPayloads:
    pytestmark = pytest.mark.asyncio

    async def test_any_unicode_is_kept(self, store: Store) -> None:
        new = activity(numbered(1), params=UNICODE, tags={UNICODE: UNICODE, "": ""})
        await store.create(new)
        await finish(store, new.id, ev.Failed(kind=ev.FailureKind.TRAPPED, reason=UNICODE, backtrace=(UNICODE, "")))
        entries = await store.log(new.id)
        assert entries[0] == new.events[0]
        finished = entries[1].event
        assert isinstance(finished, ev.Finished)
        assert finished.outcome == ev.Failed(kind=ev.FailureKind.TRAPPED, reason=UNICODE, backtrace=(UNICODE, ""))

    async def test_payloads_of_ten_mebibytes_are_kept(self, raw_store: Store) -> None:
        large = '"' + "ü" * (5 * MIB) + '"'
        parent = await running_workflow(raw_store)
        decision = await decide(raw_store, parent)
        child = decision.call(large)
        await raw_store.append(decision.append)
        await finish(raw_store, child, ev.Ok(value=large))
        submitted = (await raw_store.log(parent))[-1].event
        assert isinstance(submitted, ev.ChildSubmitted)
        assert submitted.params == large
        result = (await raw_store.responses(parent))[0].result
        assert result == ev.ChildFinished(outcome=ev.Ok(value=large))


_TRAPPED = ev.Failed(kind=ev.FailureKind.TRAPPED, reason="unreachable", backtrace=("0: run", "1: main"))
_FULL_CREATED = ev.Created(
    kind=ev.ExecutionKind.ACTIVITY,
    function=OTHER_ACTIVITY,
    params='[{"a":[1,2]}]',
    digest=DIGEST,
    seed=bytes(range(240, 256)),
    due=START,
    deadline=LATER,
    tags={"team": "blue", "run": "7"},
)
