"""What is asked about many executions: counts, failures, and what has changed."""

from collections.abc import Sequence

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.ports.store import (
    CHANGES_MAX,
    PAGE_MAX,
    Added,
    Changed,
    ExecutionNotFound,
    Failure,
    Store,
    VersionCount,
)
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.catalog import Listener
from obelisk_runtime.testing.conformance.fixtures import Reopen
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITY,
    DIGEST,
    LATER,
    ONE,
    OTHER_ACTIVITY,
    WORKFLOW,
    activity,
    decide,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
    workflow,
)

NONE = {"pending": 0, "locked": 0, "blocked": 0, "finished": 0, "paused": 0, "cancelling": 0}


class TestOverview:
    pytestmark = pytest.mark.asyncio

    async def test_an_empty_store_counts_nothing(self, store: Store) -> None:
        counts = await store.counts(top_level_only=False)
        assert (counts.statuses, counts.results) == (NONE, {"ok": 0})

    async def test_executions_are_counted_by_status_and_result(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.append((await decide(store, numbered(1))).life(ev.Paused(reason="")).append)
        await store.create(locked(activity(numbered(2)), ONE))
        for number, outcome in ((3, ev.Ok()), (4, ev.Ok()), (5, ev.Err()), (6, ev.Failed(ev.FailureKind.LOST, ""))):
            await store.create(activity(numbered(number)))
            await finish(store, numbered(number), outcome)
        await waiting_workflow(store, 7)
        top = await store.counts(top_level_only=True)
        assert top.statuses == {**NONE, "pending": 1, "paused": 1, "locked": 1, "blocked": 1, "finished": 4}
        assert top.results == {"ok": 2, "err": 1, "lost": 1}
        every = await store.counts(top_level_only=False)
        assert every.statuses == {**top.statuses, "pending": 2}

    async def test_executions_are_counted_within_functions(self, store: Store) -> None:
        parent, child = await waiting_workflow(store, 1)
        await finish(store, child)
        await store.create(activity(numbered(2)))
        of_workflow = await store.counts(top_level_only=False, within=(WORKFLOW.text,))
        assert (of_workflow.statuses["blocked"] + of_workflow.statuses["locked"], of_workflow.results) == (1, {"ok": 1})
        assert of_workflow.statuses["pending"] == 0
        of_activity = await store.counts(top_level_only=True, within=(ACTIVITY.text[:-1] + "*",))
        assert sum(of_activity.statuses.values()) == 1
        for top_level_only in (True, False):
            nothing = await store.counts(top_level_only=top_level_only, within=("other:*",))
            assert (nothing.statuses, nothing.results) == (NONE, {"ok": 0})
        assert parent

    async def test_executions_are_counted_by_the_component_they_are_pinned_to(self, store: Store) -> None:
        await store.create(workflow(numbered(1)))
        await store.create(workflow(numbered(2)))
        await store.append((await decide(store, numbered(2))).finish().append)
        await store.create(activity(numbered(3)))
        assert await store.versions([WORKFLOW]) == [VersionCount(DIGEST, unfinished=1, finished=1)]
        assert await store.versions([ACTIVITY, OTHER_ACTIVITY]) == [VersionCount(None, unfinished=1, finished=0)]
        assert await store.versions([]) == []

    async def test_failures_are_told_with_their_outcomes_newest_first(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await finish(store, numbered(1), ev.Err('"no"'))
        await store.create(activity(numbered(2)))
        await finish(store, numbered(2))
        _, child = await waiting_workflow(store, 3)
        failed = ev.Failed(ev.FailureKind.TIMED_OUT, "too slow")
        await finish(store, child, failed)
        found = await store.failures(10)
        assert [(item.id, item.function, item.outcome) for item in found] == [
            (child, ACTIVITY, failed),
            (numbered(1), ACTIVITY, ev.Err('"no"')),
        ]
        assert isinstance(found[0], Failure)
        assert len(await store.failures(1)) == 1
        assert await store.failures(0) == []

    async def test_the_oldest_of_what_is_due_is_told(self, store: Store) -> None:
        assert await store.oldest_due() is None
        await store.create(activity(numbered(1), due=LATER))
        assert await store.oldest_due() == LATER
        await store.create(activity(numbered(2)))
        assert await store.oldest_due() == START
        await store.append((await decide(store, numbered(2))).life(ev.Paused(reason="")).append)
        assert await store.oldest_due() == LATER


class TestChanges:
    pytestmark = pytest.mark.asyncio

    async def test_what_commits_changed_is_told_in_order_and_once(self, store: Store) -> None:
        start = store.sequence
        await store.create(activity(numbered(1)))
        await store.create(activity(numbered(2)))
        await finish(store, numbered(1))
        assert await ids(store, start) == [numbered(2), numbered(1)]
        changes = await store.changes(start)
        assert changes is not None
        assert changes[-1].projection == await store.get(numbered(1))
        assert await ids(store, changes[0].sequence) == [numbered(1)]
        assert await ids(store, changes[-1].sequence) == []

    async def test_a_response_changes_the_parent(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        changes = await store.changes(0)
        assert changes is not None
        await finish(store, child)
        assert set(await ids(store, max(change.sequence for change in changes))) == {parent, child}

    async def test_changes_of_a_tree_are_its_own(self, store: Store) -> None:
        parent, child = await waiting_workflow(store, 1)
        await waiting_workflow(store, 10)
        start = store.sequence
        await finish(store, child)
        await store.create(activity(numbered(3)))
        assert await ids(store, start, parent) == [parent, child]
        assert await ids(store, start, child) == [child]
        assert await ids(store, store.sequence, parent) == []
        with pytest.raises(ExecutionNotFound):
            await store.changes(0, tree=numbered(4))

    async def test_several_executions_are_read_at_once(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        found = await store.get_all([child, parent, numbered(9), ExecutionId(f"{parent}.g:7_1")])
        assert found == {id_: await store.get(id_) for id_ in (parent, child)}
        assert await store.get_all([]) == {}

    async def test_a_hint_tells_the_sequence_of_its_commit(self, store: Store) -> None:
        listener = Listener()
        told: list[Changed] = []
        store.subscribe(told.append)
        store.subscribe(listener)
        before = store.sequence
        await store.create(activity(numbered(1)))
        await listener.until(lambda: numbered(1) in listener.told)
        assert store.sequence == told[-1].sequence > before
        assert await ids(store, before) == [numbered(1)]
        assert await ids(store, store.sequence) == []

    async def test_more_than_can_be_told_are_not(self, raw_store: Store) -> None:
        start = raw_store.sequence
        parent = await running_workflow(raw_store)
        decision = await decide(raw_store, parent)
        join_set = decision.join_set()
        for _ in range(CHANGES_MAX):
            decision.submit(join_set)
        await raw_store.append(decision.append)
        assert await raw_store.changes(start) is None

    async def test_sequences_grow_over_restarts(self, reopen: Reopen) -> None:
        store = await reopen()
        await store.create(activity(numbered(1)))
        changes = await store.changes(0)
        assert changes is not None
        last = changes[-1].sequence
        store = await reopen()
        assert store.sequence >= last
        await store.create(activity(numbered(2)))
        assert await ids(store, last) == [numbered(2)]
        assert await ids(store, 0) == [numbered(1), numbered(2)]


class TestAdded:
    """Events in the order of the commits that added them."""

    pytestmark = pytest.mark.asyncio

    async def test_events_are_told_in_the_order_of_commits(self, store: Store) -> None:
        start = store.sequence
        parent, child = await waiting_workflow(store)
        await finish(store, child)
        await store.append((await decide(store, parent)).finish().append)
        everything = await added(store, [child, parent], start)
        assert everything == sorted(everything, key=lambda item: item.sequence)
        for execution_id in (parent, child):
            log = [item.event for item in everything if item.id == execution_id]
            assert log == await store.log(execution_id)
        created = next(item for item in everything if item.id == child)
        asked = [item for item in everything if item.sequence == created.sequence]
        assert [item.id for item in asked] == sorted(item.id for item in asked), "a parent is older than its children"
        assert (everything[-1].id, type(everything[-1].event.event)) == (parent, ev.Finished)

    async def test_events_are_told_from_any_place_on(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        await finish(store, child)
        everything = await added(store, [parent, child], 0)
        for place in range(len(everything)):
            assert await added(store, [parent, child], 0, skip=place, limit=2) == everything[place : place + 2]
        for sequence in {item.sequence for item in everything}:
            later = [item for item in everything if item.sequence > sequence]
            assert await added(store, [parent, child], sequence) == later
            earlier = [item for item in everything if item.sequence <= sequence]
            assert await store.added([parent, child], after=0, until=sequence, limit=PAGE_MAX) == earlier
        assert await added(store, [child], 0) == [item for item in everything if item.id == child]

    async def test_what_is_not_there_has_no_events(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        assert await added(store, [numbered(2)], 0) == []
        assert await added(store, [], 0) == []
        assert await added(store, [numbered(1)], 0, limit=0) == []

    async def test_the_order_of_events_survives_a_restart(self, reopen: Reopen) -> None:
        store = await reopen()
        parent, child = await waiting_workflow(store)
        before = await added(store, [parent, child], 0)
        store = await reopen()
        await finish(store, child)
        after = await added(store, [parent, child], 0)
        assert after[: len(before)] == before
        assert [item.id for item in after[len(before) :]] == [child]
        assert await added(store, [parent, child], before[-1].sequence) == after[len(before) :]


async def added(
    store: Store, wanted: list[ExecutionId], after: int, *, skip: int = 0, limit: int = PAGE_MAX
) -> Sequence[Added]:
    return await store.added(wanted, after=after, until=store.sequence, skip=skip, limit=limit)


async def ids(store: Store, after: int, tree: ExecutionId | None = None) -> list[ExecutionId]:
    changes = await store.changes(after, tree=tree)
    assert changes is not None
    return [change.id for change in changes]
