"""Lists: their order, their filters, and cursors that do not move when others are created."""

from dataclasses import replace

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.decisions import cancel
from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, Store
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.checks import listed
from obelisk_runtime.testing.conformance.scenes import (
    ACTIVITY,
    DIGEST,
    LATER,
    ONE,
    OTHER_ACTIVITY,
    OTHER_DIGEST,
    TWO,
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

TOP_LEVEL = ExecutionFilter()


async def ids(store: Store, where: ExecutionFilter) -> list[ExecutionId]:
    return [summary.id for summary in await listed(store, where)]


class TestPages:
    pytestmark = pytest.mark.asyncio

    async def test_the_newest_come_first_whatever_their_ids_and_times(self, store: Store) -> None:
        for number, at in ((2, START), (3, LATER), (1, START)):
            await store.create(activity(numbered(number), at=at))
        assert await ids(store, TOP_LEVEL) == [numbered(1), numbered(3), numbered(2)]

    async def test_children_are_newer_than_their_parent(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        children = [decision.submit(join_set) for _ in range(3)]
        await store.append(decision.append)
        assert await ids(store, ExecutionFilter(top_level_only=False)) == [*reversed(children), parent]

    async def test_a_page_says_whether_there_is_more(self, store: Store) -> None:
        for number in (1, 2, 3):
            await store.create(activity(numbered(number)))
        first = await store.list(TOP_LEVEL, limit=2)
        assert [summary.id for summary in first.items] == [numbered(3), numbered(2)]
        assert first.next_cursor is not None
        last = await store.list(TOP_LEVEL, cursor=first.next_cursor, limit=2)
        assert [summary.id for summary in last.items] == [numbered(1)]
        assert last.next_cursor is None
        assert (await store.list(TOP_LEVEL, limit=3)).next_cursor is None

    async def test_an_empty_store_has_an_empty_page(self, store: Store) -> None:
        page = await store.list(TOP_LEVEL)
        assert (list(page.items), page.next_cursor) == ([], None)

    async def test_a_page_shows_the_projection(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        (summary,) = (await store.list(TOP_LEVEL)).items
        assert summary.projection == await store.get(numbered(1))

    async def test_pages_do_not_move_when_others_are_created_meanwhile(self, raw_store: Store) -> None:
        for number in range(10):
            await raw_store.create(activity(numbered(100 + number)))
        page = await raw_store.list(TOP_LEVEL, limit=3)
        seen = [summary.id for summary in page.items]
        while page.next_cursor is not None:
            for below_and_above in (len(seen), 1000 + len(seen)):
                await raw_store.create(activity(numbered(below_and_above)))
            await finish(raw_store, seen[-1])
            page = await raw_store.list(TOP_LEVEL, cursor=page.next_cursor, limit=3)
            seen += [summary.id for summary in page.items]
        assert seen == [numbered(100 + number) for number in reversed(range(10))]

    async def test_a_cursor_works_again_later(self, store: Store) -> None:
        for number in range(4):
            await store.create(activity(numbered(number)))
        cursor = (await store.list(TOP_LEVEL, limit=2)).next_cursor
        before = await store.list(TOP_LEVEL, cursor=cursor, limit=2)
        await store.create(activity(numbered(9)))
        assert await store.list(TOP_LEVEL, cursor=cursor, limit=2) == before

    async def test_a_cursor_of_another_origin_is_refused(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        for cursor in ("", "first", "-1", "1 OR 1=1", "१", "é\x00"):
            with pytest.raises(InvalidName):
                await store.list(TOP_LEVEL, cursor=cursor)

    async def test_no_list_is_longer_than_the_maximum(self, raw_store: Store) -> None:
        parent = await running_workflow(raw_store)
        decision = await decide(raw_store, parent)
        join_set = decision.join_set()
        for _ in range(PAGE_MAX + 1):
            decision.submit(join_set)
        await raw_store.append(decision.append)
        page = await raw_store.list(ExecutionFilter(top_level_only=False), limit=PAGE_MAX + 1)
        assert len(page.items) == PAGE_MAX
        assert page.next_cursor is not None


class TestOldestFirst:
    pytestmark = pytest.mark.asyncio

    async def test_the_order_and_the_pages_are_turned_round(self, store: Store) -> None:
        for number in (5, 1, 4, 2, 3):
            await store.create(activity(numbered(number)))
        seen: list[ExecutionId] = []
        cursor: str | None = None
        while True:
            page = await store.list(TOP_LEVEL, cursor=cursor, limit=2, oldest_first=True)
            seen += [summary.id for summary in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == [numbered(number) for number in (5, 1, 4, 2, 3)]

    async def test_children_come_in_the_order_they_were_submitted(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        join_set = decision.join_set()
        children = [decision.submit(join_set) for _ in range(3)]
        await store.append(decision.append)
        page = await store.list(ExecutionFilter(parent=parent), oldest_first=True)
        assert [summary.id for summary in page.items] == children


class TestFilters:
    pytestmark = pytest.mark.asyncio

    async def test_top_level_only_unless_asked_otherwise(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        assert await ids(store, TOP_LEVEL) == [parent]
        assert await ids(store, ExecutionFilter(top_level_only=False)) == [child, parent]

    async def test_by_parent_are_its_direct_children(self, store: Store) -> None:
        parent, child = await waiting_workflow(store, 1)
        await waiting_workflow(store, 2)
        assert await ids(store, ExecutionFilter(parent=parent)) == [child]
        assert await ids(store, ExecutionFilter(parent=parent, top_level_only=False)) == [child]
        assert await ids(store, ExecutionFilter(parent=child)) == []
        assert await ids(store, ExecutionFilter(parent=numbered(9))) == []

    async def test_by_function_prefix(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.create(activity(numbered(2), function=OTHER_ACTIVITY))
        await store.create(workflow(numbered(3)))
        assert await ids(store, ExecutionFilter(function_prefix="testing:kit/activities")) == [numbered(2), numbered(1)]
        assert await ids(store, ExecutionFilter(function_prefix=str(WORKFLOW))) == [numbered(3)]
        assert await ids(store, ExecutionFilter(function_prefix=str(ACTIVITY) + "x")) == []
        for pattern in ("%", "testing_kit", "testing:kit/*", "TESTING"):
            assert await ids(store, ExecutionFilter(function_prefix=pattern)) == []

    async def test_within_functions_and_below(self, store: Store) -> None:
        parent, child = await waiting_workflow(store, 1)
        await store.create(activity(numbered(2)))
        await store.create(activity(numbered(3), function=OTHER_ACTIVITY))
        of_workflow = ExecutionFilter(within=(str(WORKFLOW),))
        assert await ids(store, of_workflow) == [parent]
        assert await ids(store, replace(of_workflow, top_level_only=False)) == [child, parent]
        assert await ids(store, replace(of_workflow, parent=parent)) == [child]
        page = await store.list(replace(of_workflow, top_level_only=False), limit=2)
        assert page.next_cursor is None, "what is not within does not show"
        of_activity = ExecutionFilter(within=(str(ACTIVITY), "other:*"), top_level_only=False)
        assert await ids(store, of_activity) == [numbered(2), child]
        for nothing in (
            ExecutionFilter(within=("other:*",)),
            ExecutionFilter(within=("other:*",), top_level_only=False),
            ExecutionFilter(within=("other:*",), statuses=frozenset({"pending"})),
            ExecutionFilter(within=("other:*",), results=frozenset({"err"})),
        ):
            assert await ids(store, nothing) == []
        assert await ids(store, ExecutionFilter(within=("*",))) == [numbered(3), numbered(2), parent]

    async def test_by_id_prefix(self, store: Store) -> None:
        parent, child = await waiting_workflow(store, 1)
        await store.create(activity(numbered(2)))
        assert await ids(store, ExecutionFilter(id_prefix=parent)) == [parent]
        assert await ids(store, ExecutionFilter(id_prefix=parent, top_level_only=False)) == [child, parent]
        assert await ids(store, ExecutionFilter(id_prefix=child, top_level_only=False)) == [child]
        for pattern in ("E%", "e_", "E__", "*"):
            assert await ids(store, ExecutionFilter(id_prefix=pattern)) == []

    async def test_by_status_and_lifecycle(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.create(locked(activity(numbered(2)), ONE))
        blocked, _ = await waiting_workflow(store, 3)
        await store.create(activity(numbered(4)))
        await finish(store, numbered(4))
        await store.create(activity(numbered(5)))
        await store.append((await decide(store, numbered(5))).life(ev.Paused(reason="")).append)
        await store.create(workflow(numbered(6)))
        cancelled = cancel(await store.get(numbered(6)), "a person")
        await store.append((await decide(store, numbered(6))).life(*cancelled).append)
        for word, expected in {
            "pending": [numbered(6), numbered(5), numbered(1)],
            "locked": [numbered(2)],
            "blocked": [blocked],
            "finished": [numbered(4)],
            "paused": [numbered(5)],
            "cancelling": [numbered(6)],
        }.items():
            assert await ids(store, ExecutionFilter(statuses=frozenset({word}))) == expected, word
        both = ExecutionFilter(statuses=frozenset({"paused", "locked"}))
        assert await ids(store, both) == [numbered(5), numbered(2)]
        await finish(store, numbered(5))
        await store.append((await decide(store, numbered(6))).finish().append)
        assert await ids(store, ExecutionFilter(statuses=frozenset({"paused", "cancelling"}))) == []

    async def test_by_result(self, store: Store) -> None:
        outcomes: list[ev.Outcome] = [ev.Ok(), ev.Err()]
        outcomes += [ev.Failed(kind=kind, reason="") for kind in ev.FailureKind]
        for number, outcome in enumerate(outcomes):
            await store.create(activity(numbered(number)))
            await finish(store, numbered(number), outcome)
        await store.create(activity(numbered(99)))
        words = ["ok", "err", *(kind.label for kind in ev.FailureKind)]
        for number, word in enumerate(words):
            assert await ids(store, ExecutionFilter(results=frozenset({word}))) == [numbered(number)], word
        assert await ids(store, ExecutionFilter(results=frozenset({"ok", "timed-out"}))) == [numbered(3), numbered(0)]

    async def test_by_tags_all_of_which_must_match(self, store: Store) -> None:
        await store.create(activity(numbered(1), tags={"team": "blue", "run": "1"}))
        await store.create(activity(numbered(2), tags={"team": "blue", "run": "2"}))
        await store.create(activity(numbered(3), tags={"team": "Grün 🦀", 'quo"te': "%"}))
        await store.create(activity(numbered(4)))
        assert await ids(store, ExecutionFilter(tags={"team": "blue"})) == [numbered(2), numbered(1)]
        assert await ids(store, ExecutionFilter(tags={"team": "blue", "run": "1"})) == [numbered(1)]
        assert await ids(store, ExecutionFilter(tags={"team": "Grün 🦀", 'quo"te': "%"})) == [numbered(3)]
        assert await ids(store, ExecutionFilter(tags={"run": "3"})) == []
        assert await ids(store, ExecutionFilter(tags={"blue": "team"})) == []
        assert await ids(store, ExecutionFilter(tags={})) == [numbered(4), numbered(3), numbered(2), numbered(1)]

    async def test_by_holder(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        assert await ids(store, ExecutionFilter(holder=ONE)) == []
        await store.create(locked(activity(numbered(2)), ONE))
        await store.create(locked(workflow(numbered(3)), ONE))
        await store.create(locked(activity(numbered(4)), TWO))
        assert await ids(store, ExecutionFilter(holder=ONE)) == [numbered(3), numbered(2)]
        await finish(store, numbered(2))
        assert await ids(store, ExecutionFilter(holder=ONE)) == [numbered(3)]

    async def test_by_the_component_a_workflow_is_pinned_to(self, store: Store) -> None:
        await store.create(workflow(numbered(1)))
        await store.create(activity(numbered(2)))
        assert await ids(store, ExecutionFilter(digest=DIGEST)) == [numbered(1)]
        assert await ids(store, ExecutionFilter(digest=OTHER_DIGEST)) == []

    async def test_by_the_time_of_creation_from_and_before(self, store: Store) -> None:
        for number, at in ((1, START), (2, LATER), (3, Instant(LATER + 1))):
            await store.create(activity(numbered(number), at=at))
        assert await ids(store, ExecutionFilter(created_since=LATER)) == [numbered(3), numbered(2)]
        assert await ids(store, ExecutionFilter(created_before=LATER)) == [numbered(1)]
        both = ExecutionFilter(created_since=LATER, created_before=Instant(LATER + 1))
        assert await ids(store, both) == [numbered(2)]

    async def test_by_the_time_of_the_end_which_only_what_has_finished_has(self, store: Store) -> None:
        for number in (1, 2, 3):
            await store.create(activity(numbered(number)))
        await finish(store, numbered(1))
        await finish(store, numbered(2), now=LATER)
        assert await ids(store, ExecutionFilter(finished_since=LATER)) == [numbered(2)]
        assert await ids(store, ExecutionFilter(finished_before=LATER)) == [numbered(1)]
        assert await ids(store, ExecutionFilter(finished_since=Instant(0))) == [numbered(2), numbered(1)]

    async def test_by_text_in_parameters_or_result_or_the_reason_of_a_failure(self, store: Store) -> None:
        await store.create(activity(numbered(1), params='["Grün 🦀"]', tags={"needle": "needle"}))
        await store.create(activity(numbered(2)))
        await finish(store, numbered(2), ev.Ok('"Grün too"'))
        await store.create(activity(numbered(3)))
        await finish(store, numbered(3), ev.Failed(ev.FailureKind.TRAPPED, "all Grün"))
        await store.create(activity(numbered(4), params='["green"]'))
        await finish(store, numbered(4), ev.Err('{"why":"not Grün"}'))
        everything = [numbered(4), numbered(3), numbered(2), numbered(1)]
        assert await ids(store, ExecutionFilter(text="Grün")) == everything
        assert [summary.id for summary in await listed(store, ExecutionFilter(text="Grün"), limit=1)] == everything
        assert await ids(store, ExecutionFilter(text="🦀")) == [numbered(1)]
        for absent in ("needle", "grün", "%", "created", "done"):
            assert await ids(store, ExecutionFilter(text=absent)) == [], absent

    async def test_text_is_looked_for_in_logs_of_many_writes(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        await finish(store, child, ev.Ok('"deep"'))
        assert await ids(store, ExecutionFilter(text="deep", top_level_only=False)) == [child]
        await store.append((await decide(store, parent)).finish(ev.Ok('"deeper"')).append)
        assert await ids(store, ExecutionFilter(text="deep", top_level_only=False)) == [child, parent]

    async def test_every_condition_must_hold_and_pages_go_on_through_them(self, store: Store) -> None:
        for number in range(12):
            function = ACTIVITY if number % 2 else OTHER_ACTIVITY
            await store.create(activity(numbered(number), function=function, tags={"third": str(number % 3)}))
        where = ExecutionFilter(
            function_prefix=str(ACTIVITY),
            tags={"third": "0"},
            statuses=frozenset({"pending"}),
            id_prefix=numbered(0)[:20],
        )
        expected = [numbered(9), numbered(3)]
        assert await ids(store, where) == expected
        assert [summary.id for summary in await listed(store, where, limit=1)] == expected
