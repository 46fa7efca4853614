"""Whole trees: grafted as they are given, held, pruned at once, swept little by little."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import DelayId, ExecutionId, Instant, is_delay, parent_of, path_of
from obelisk_runtime.ports.store import (
    CreateOutcome,
    ExecutionFilter,
    ExecutionNotFound,
    Grafted,
    GraftedDelay,
    IdConflict,
    Store,
)
from obelisk_runtime.testing.backends import Backend
from obelisk_runtime.testing.clock import SECOND, START
from obelisk_runtime.testing.conformance.catalog import read, read_requests, record, request
from obelisk_runtime.testing.conformance.checks import Row, dump, listed
from obelisk_runtime.testing.conformance.fixtures import Reopen
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITIES,
    LATER,
    ONE,
    activity,
    decide,
    finish,
    locked,
    numbered,
    running_workflow,
    waiting_workflow,
)

AFTER = Instant(START + SECOND)


async def finished_tree(store: Store, number: int = 1, children: int = 2) -> ExecutionId:
    """A workflow with children and a delay, all of it finished at START."""
    parent = await running_workflow(store, number)
    decision = await decide(store, parent)
    join_set = decision.join_set()
    submitted = [decision.submit(join_set, f"[{n}]") for n in range(children)]
    decision.submit_delay(join_set, START)
    await store.append(decision.append)
    await store.fire_delays(START, 10)
    for child in submitted:
        await finish(store, child, ev.Ok(f'"{child}"'))
        await store.write_logs([record(child, 1, 0)])
        await store.write_requests([request(child, 1, 0)])
    await finish(store, parent)
    return parent


def tree_of(rows: Mapping[ExecutionId, Row], top: ExecutionId, delays: Sequence[GraftedDelay] = ()) -> list[Grafted]:
    """What `dump` saw of a tree, parents first."""
    found = [id_ for id_ in reversed(list(rows)) if id_.partition(".")[0] == top]
    mine: dict[ExecutionId | None, list[GraftedDelay]] = {}
    for delay in delays:
        mine.setdefault(parent_of(delay.id), []).append(delay)
    return [Grafted(id_, rows[id_].log, rows[id_].responses, rows[id_].projection, mine.get(id_, ())) for id_ in found]


def delays_of(rows: Mapping[ExecutionId, Row], top: ExecutionId) -> list[GraftedDelay]:
    """Delays that answered."""
    ids = [response.id for id_, row in rows.items() if id_.startswith(top) for response in row.responses]
    return [GraftedDelay(DelayId(id_), START) for id_ in ids if is_delay(ExecutionId(id_))]


class TestGraft:
    pytestmark = pytest.mark.asyncio

    async def test_a_grafted_tree_is_read_back_as_it_was_given(
        self, store: Store, backend: Backend, tmp_path: Path
    ) -> None:
        top = await finished_tree(store)
        before = await dump(store)
        folder = tmp_path / "other"
        folder.mkdir()
        other = await backend.open(folder, None)
        await other.graft(tree_of(before, top, delays_of(before, top)))
        assert await dump(other) == before
        await other.close()

    async def test_a_long_log_is_read_back_page_by_page(self, store: Store) -> None:
        first = activity(numbered(1))
        log = [*first.events, *(ev.Recorded(version, START, ev.Paused(f"{version}")) for version in range(1, 400))]
        projection = fold(first.id, log, ())
        await store.graft([Grafted(first.id, log, (), projection)])
        assert [
            entry for start in range(0, 400, 150) for entry in await store.log(first.id, start=start, limit=150)
        ] == log
        assert await store.get(first.id) == projection

    async def test_responses_of_what_is_in_no_store_keep_what_they_say(self, store: Store) -> None:
        top = await finished_tree(store)
        fork = numbered(5)
        row = (await dump(store))[top]
        responses = [
            ev.Response(item.position, item.at, item.id.replace(path_of(top), path_of(fork)), item.result)
            for item in row.responses
        ]
        await store.graft([Grafted(fork, row.log, responses, row.projection)])
        assert list(await store.responses(fork)) == responses
        with pytest.raises(ExecutionNotFound):
            await store.get(ExecutionId(responses[-1].id))

    async def test_an_open_delay_fires_at_its_time_and_a_paused_one_does_not(self, store: Store) -> None:
        parent, sleeper = await running_workflow(store, 1), await running_workflow(store, 2)
        ids: list[DelayId] = []
        for id_ in (parent, sleeper):
            decision = await decide(store, id_)
            ids.append(decision.sleep(LATER))
            await store.append(decision.append)
        rows = await dump(store)
        grafts = [
            tree_of(
                _renamed(rows, id_, numbered(number)), numbered(number), [_delay(ids[index], numbered(number), paused)]
            )
            for index, (id_, number, paused) in enumerate(((parent, 11, False), (sleeper, 12, True)))
        ]
        for graft in grafts:
            await store.graft(graft)
        fired = await store.fire_delays(LATER, 10)
        assert {item.parent for item in fired} == {parent, sleeper, numbered(11)}

    async def test_an_id_that_exists_is_a_conflict_and_nothing_changes(self, store: Store) -> None:
        top = await finished_tree(store)
        before = await dump(store)
        with pytest.raises(IdConflict):
            await store.graft(tree_of(before, top))
        assert await dump(store) == before

    async def test_what_is_grafted_and_due_is_locked_like_anything_else(self, store: Store) -> None:
        new = activity(numbered(1), tags={"team": "blue"})
        await store.graft([Grafted(new.id, new.events, (), new.projection)])
        (claim,) = await store.lock_pending(START, ONE, [ACTIVITIES])
        assert claim.id == new.id
        assert [item.id for item in await listed(store, ExecutionFilter(tags={"team": "blue"}))] == [new.id]

    async def test_a_grafted_child_answers_its_parent_once(self, store: Store) -> None:
        parent, _ = await waiting_workflow(store)
        rows = _renamed(await dump(store), parent, numbered(7))
        await store.graft(tree_of(rows, numbered(7)))
        child = next(id_ for id_ in rows if parent_of(id_) == numbered(7))
        response = await finish(store, child)
        assert response is not None
        assert list(await store.responses(numbered(7))) == [response]

    async def test_records_come_with_the_tree(self, store: Store) -> None:
        new = activity(numbered(1))
        records = [record(numbered(1), 1, ordinal) for ordinal in range(3)]
        requests = [request(numbered(1), 1, ordinal) for ordinal in range(3)]
        await store.graft([Grafted(new.id, new.events, (), new.projection, logs=records, requests=requests)])
        assert await read(store, numbered(1)) == records
        assert await read_requests(store, numbered(1)) == requests


def _delay(delay: DelayId, top: ExecutionId, paused: bool) -> GraftedDelay:  # noqa: FBT001 - a column
    return GraftedDelay(DelayId(f"Delay_{path_of(top)}.{delay.partition('.')[2]}"), LATER, paused)


def _renamed(rows: Mapping[ExecutionId, Row], top: ExecutionId, name: ExecutionId) -> dict[ExecutionId, Row]:
    """A tree without responses under another id."""
    return {ExecutionId(id_.replace(top, name)): row for id_, row in rows.items() if id_.startswith(top)}


class TestPrune:
    pytestmark = pytest.mark.asyncio

    async def test_a_pruned_tree_is_gone_as_a_whole(self, store: Store) -> None:
        top, kept = await finished_tree(store, 1), await finished_tree(store, 2)
        before = await dump(store)
        assert list(await store.prune([top], AFTER)) == [top]
        assert await dump(store) == {id_: row for id_, row in before.items() if id_.startswith(kept)}
        for id_ in before:
            if id_.startswith(top):
                with pytest.raises(ExecutionNotFound):
                    await store.log(id_)
                assert await read(store, id_) == []
                assert await read_requests(store, id_) == []

    async def test_only_what_finished_before_the_instant_is_pruned(self, store: Store) -> None:
        top = await finished_tree(store, 1)
        running, _ = await waiting_workflow(store, 2)
        before = await dump(store)
        assert list(await store.prune([top, running, numbered(9)], START)) == []
        assert list(await store.prune([running], Instant(LATER + 1))) == []
        assert await dump(store) == before

    async def test_a_child_alone_is_not_pruned(self, store: Store) -> None:
        top = await finished_tree(store)
        child = next(id_ for id_ in await dump(store) if parent_of(id_) == top)
        assert list(await store.prune([child], AFTER)) == []

    async def test_a_held_tree_stays_until_it_is_released(self, store: Store) -> None:
        top = await finished_tree(store)
        assert not await store.is_held(top)
        assert await store.hold(top, held=True)
        assert not await store.hold(top, held=True)
        assert await store.is_held(top)
        assert list((await store.old_trees(AFTER)).ids) == []
        assert list(await store.prune([top], AFTER)) == []
        assert await store.hold(top, held=False)
        assert list((await store.old_trees(AFTER)).ids) == [top]
        assert list(await store.prune([top], AFTER)) == [top]

    async def test_what_does_not_exist_cannot_be_held(self, store: Store) -> None:
        with pytest.raises(ExecutionNotFound):
            await store.hold(numbered(1), held=True)

    async def test_old_trees_are_those_that_finished_before(self, store: Store) -> None:
        tops = [await finished_tree(store, number) for number in (3, 1, 2)]
        await waiting_workflow(store, 4)
        assert list((await store.old_trees(AFTER)).ids) == tops
        assert list((await store.old_trees(START)).ids) == []

    async def test_a_pruned_id_is_free(self, store: Store) -> None:
        top = await finished_tree(store)
        await store.prune([top], AFTER)
        await store.create(locked(activity(top, params="[9]"), ONE))
        assert await store.create(activity(top, params="[9]")) is CreateOutcome.EXISTED
        assert list(await store.responses(top)) == []

    async def test_the_same_tree_can_come_into_being_again(self, store: Store) -> None:
        for _ in range(2):
            top = await finished_tree(store)
            assert len(await dump(store)) == 3
            assert list(await store.prune([top], AFTER)) == [top]
        assert await dump(store) == {}

    async def test_lists_pass_over_what_is_not_swept_yet(self, store: Store) -> None:
        top, kept = await finished_tree(store, 1), await finished_tree(store, 2)
        await store.prune([top], AFTER)
        found = await listed(store, limit=1)
        assert {item.id.partition(".")[0] for item in found} == {kept}

    async def test_sweeping_ends_and_leaves_what_is_not_pruned(self, store: Store) -> None:
        tops = [await finished_tree(store, number, children=7) for number in range(1, 6)]
        await waiting_workflow(store, 9)
        left = await store.prune(tops[1:], AFTER)
        assert list(left) == tops[1:]
        before = await dump(store)
        for _ in range(1_000):
            freed = await store.sweep(5)
            if not freed:
                break
            assert freed <= 5
            assert await dump(store) == before
        assert await store.sweep(5) == 0
        assert await dump(store) == before

    async def test_pruning_goes_on_beside_other_writes(self, store: Store) -> None:
        tops = [await finished_tree(store, number) for number in range(1, 4)]
        pruning = store.prune(tops, AFTER)
        creating = [store.create(activity(numbered(number))) for number in range(10, 20)]
        sweeping = store.sweep(1_000)
        await asyncio.gather(pruning, *creating, sweeping)
        assert set(await dump(store)) == {numbered(number) for number in range(10, 20)}

    async def test_what_was_pruned_stays_so_when_the_store_is_opened_again(self, reopen: Reopen) -> None:
        store = await reopen()
        top, held = await finished_tree(store, 1), await finished_tree(store, 2)
        await store.hold(held, held=True)
        await store.prune([top], AFTER)
        before = await dump(store)
        again = await reopen()
        assert await dump(again) == before
        assert await again.is_held(held)
        while await again.sweep(3):
            pass
        assert await dump(again) == before
