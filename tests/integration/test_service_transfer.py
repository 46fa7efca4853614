"""Executions leave one server as lines of JSON and arrive at another with the same history."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.deployment import StubSettings
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.names import Ffqn
from obelisk_runtime.core.transfer import InvalidExport
from obelisk_runtime.core.wit_text import parse_function
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, IdConflict
from obelisk_runtime.service import Matches
from obelisk_runtime.service.trees import transfer
from obelisk_runtime.service.trees.transfer import ImportResult, TreeTooLarge
from obelisk_runtime.storage.memory import MemoryStore
from obelisk_runtime.storage.sqlite import SqliteStore
from obelisk_runtime.storage.sqlite import trees as whole_trees
from obelisk_runtime.testing.clock import SECOND, VirtualClock

CONCURRENT = "testing:fibo-workflow/workflow.fiboa-concurrent"
SLEEP = "testing:sleeper/sleeper.sleep"
SCRIPT = Ffqn.parse("testing:script-workflow/script.run")
STUB = StubSettings(
    Ffqn.parse("testing:approval/desk.decide"), parse_function("func(order: u64) -> result<bool, string>")
)
EVERYTHING = ExecutionFilter(top_level_only=False)


@pytest.fixture
def fibo(workflow: Any, activity: Any) -> tuple[Any, ...]:
    return activity("fibo_tiny"), workflow("fibo_workflow_tiny"), workflow("sleeper")


async def rows(store: Any) -> list[Any]:
    """All that a store holds, times included."""
    found: list[Any] = []
    for item in (await store.list(EVERYTHING, limit=1_000)).items:
        log, responses = await store.log(item.id), await store.responses(item.id)
        assert item.projection == fold(item.id, log, responses)
        found.append((item.id, list(log), list(responses), await store.read_logs(item.id)))
    return sorted(found)


async def test_a_finished_tree_arrives_with_the_same_history_and_replays_there(site: Any, fibo: Any, run: Any) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 4])
    lines = await here.trees.export(ExecutionId(id_))
    other = MemoryStore()
    there = await site.start(*fibo, store=other)
    imported = await there.trees.import_(lines)
    assert imported.result is ImportResult.IMPORTED
    assert not imported.missing
    assert await rows(other) == await rows(site.store)
    assert isinstance(await there.replay(ExecutionId(id_)), Matches)
    assert await there.trees.export(ExecutionId(id_)) == lines


async def test_an_unfinished_execution_arrives_paused_and_goes_on_when_it_is_resumed(
    site: Any, fibo: Any, eventually: Any
) -> None:
    here = await site.start(*fibo)
    submitted = await here.submit(Ffqn.parse(SLEEP), [300])
    await eventually(lambda: _blocked(site.store, submitted.id))
    lines = await here.trees.export(submitted.id)
    await site.die_and_reopen(here)
    other = MemoryStore()
    there = await site.start(*fibo, store=other)
    await there.trees.import_(lines)
    assert (await other.get(submitted.id)).lifecycle.paused
    assert (await other.get(submitted.id)).holder is None
    await there.resume(submitted.id, "a test")
    async with asyncio.timeout(120):
        assert isinstance(await there.wait(submitted.id), ev.Ok)


async def _blocked(store: Any, id_: ExecutionId) -> bool:
    return bool(await store.open_delays(id_))


MANY_DELAYS = """
join_set = support.join_set_create()
for _ in range({count}):
    support.submit_delay(join_set, time.ScheduleAt_In(time.Duration_Hours(1)))
for _ in range({count}):
    support.join_next(join_set)
answer = "all"
"""


async def test_all_delays_that_are_open_arrive_however_many_they_are(
    site: Any, workflow: Any, activity: Any, eventually: Any
) -> None:
    clock = VirtualClock()
    scripts = workflow("script_workflow"), activity("fibo_tiny")
    here = await site.start(*scripts, stubs=[STUB], clock=clock)
    submitted = await here.submit(SCRIPT, [MANY_DELAYS.format(count=PAGE_MAX + 2)])
    await eventually(lambda: _waits(site.store, submitted.id))
    await here.pause(submitted.id, "to move")
    lines = await here.trees.export(submitted.id)
    await site.die_and_reopen(here)
    there = await site.start(*scripts, stubs=[STUB], clock=clock, store=MemoryStore())
    await there.trees.import_(lines)
    await there.resume(submitted.id, "moved")
    clock.advance(3_601 * SECOND)
    async with asyncio.timeout(120):
        assert await there.wait(submitted.id) == ev.Ok('"all"')


async def _waits(store: Any, id_: ExecutionId) -> bool:
    return isinstance((await store.get(id_)).status, proj.Blocked)


async def test_an_export_without_a_delay_that_its_log_waits_for_is_refused(
    site: Any, fibo: Any, eventually: Any
) -> None:
    here = await site.start(*fibo)
    submitted = await here.submit(Ffqn.parse(SLEEP), [60_000])
    await eventually(lambda: _blocked(site.store, submitted.id))
    (line,) = await here.trees.export(submitted.id)
    damaged = json.dumps({**json.loads(line), "delays": []}).encode()
    with pytest.raises(InvalidExport, match="open delays"):
        await (await site.start(store=MemoryStore())).trees.import_([damaged])


@pytest.mark.parametrize(("limit", "most"), [("EXECUTIONS_MAX", 3), ("EXPORT_BYTES_MAX", 1_000)])
async def test_a_tree_that_is_too_large_is_not_exported(
    site: Any, fibo: Any, run: Any, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 4])
    await here.trees.export(ExecutionId(id_))
    monkeypatch.setattr(transfer, limit, most)
    with pytest.raises(TreeTooLarge, match="copy the store instead"):
        await here.trees.export(ExecutionId(id_))


async def test_others_have_their_turns_while_a_large_tree_is_imported(
    site: Any, fibo: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 30])
    lines = await here.trees.export(ExecutionId(id_))
    monkeypatch.setattr(transfer, "SLICE_SECONDS", 0)  # then each execution is a slice of its own
    monkeypatch.setattr(whole_trees, "SLICE_SECONDS", 0)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    memory = MemoryStore()
    there = await site.start(*fibo, store=memory)
    others = asyncio.create_task(turn())
    await there.trees.import_(lines)
    others.cancel()
    assert turns >= len(lines) > 30
    assert await rows(memory) == await rows(site.store)
    file = await SqliteStore.open(tmp_path / "other.sqlite")
    there = await site.start(*fibo, store=file)
    await there.trees.import_(lines)
    assert await rows(file) == await rows(site.store)
    site.die(there)
    await file.close()


async def test_an_equal_tree_is_left_as_it_is_and_another_one_is_refused(site: Any, fibo: Any, run: Any) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 2])
    lines = await here.trees.export(ExecutionId(id_))
    before = await rows(site.store)
    assert (await here.trees.import_(lines)).result is ImportResult.EXISTED
    other = json.loads(lines[0])
    other["log"][-1][2] = [11, [1, "90"]]
    with pytest.raises(IdConflict):
        await here.trees.import_([json.dumps(other).encode(), *lines[1:]])
    with pytest.raises(IdConflict):
        await here.trees.import_(lines[:-1])
    assert await rows(site.store) == before


async def test_what_arrived_paused_is_equal_when_it_is_imported_again(site: Any, fibo: Any, eventually: Any) -> None:
    here = await site.start(*fibo)
    submitted = await here.submit(Ffqn.parse(SLEEP), [60_000])
    await eventually(lambda: _blocked(site.store, submitted.id))
    lines = await here.trees.export(submitted.id)
    other = MemoryStore()
    there = await site.start(*fibo, store=other)
    assert (await there.trees.import_(lines)).result is ImportResult.IMPORTED
    assert (await there.trees.import_(lines)).result is ImportResult.EXISTED


async def test_a_missing_component_is_named(site: Any, fibo: Any, run: Any) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 2])
    lines = await here.trees.export(ExecutionId(id_))
    there = await site.start(store=MemoryStore())
    digests = {component.digest for component in here.components if "sleeper" not in component.settings.name}
    assert set((await there.trees.import_(lines)).missing) == digests


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: [b"{}"],
        lambda lines: [b"not JSON", *lines[1:]],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[1], lines[1]],
        lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]],
        lambda lines: [lines[0].replace(b"[[0,", b"[[1,", 1), *lines[1:]],
        lambda _: [],
    ],
)
async def test_what_is_no_export_is_refused_and_nothing_is_written(site: Any, fibo: Any, run: Any, damage: Any) -> None:
    here = await site.start(*fibo)
    id_, _ = await run(here, CONCURRENT, [10, 2])
    lines = await here.trees.export(ExecutionId(id_))
    other = MemoryStore()
    there = await site.start(store=other)
    with pytest.raises(InvalidExport):
        await there.trees.import_(damage(lines))
    assert await rows(other) == []


@pytest.mark.parametrize("made", [False, True], ids=["last write lost", "last write made"])
async def test_a_killed_process_imports_a_tree_as_a_whole_or_not_at_all(
    site: Any, fibo: Any, run: Any, dying_at: Any, made: bool
) -> None:
    source = MemoryStore()
    here = await site.start(*fibo, store=source)
    id_, _ = await run(here, CONCURRENT, [10, 3])
    lines = await here.trees.export(ExecutionId(id_))
    store = dying_at(site.store, "graft", made=made)
    dying = await site.start(*fibo, store=store)
    importing = asyncio.ensure_future(dying.trees.import_(lines))
    async with asyncio.timeout(120):
        await store.died.wait()
    importing.cancel()
    await asyncio.gather(importing, return_exceptions=True)
    await site.die_and_reopen(dying)
    assert await rows(site.store) == (await rows(source) if made else [])
    again = await site.start(*fibo)
    expected = ImportResult.EXISTED if made else ImportResult.IMPORTED
    assert (await again.trees.import_(lines)).result is expected
