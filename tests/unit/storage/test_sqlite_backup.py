"""A backup is a store as of one moment; a check finds what is wrong with one."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from obelisk_runtime.core.ids import Instant
from obelisk_runtime.ports.store import StoreCorrupt, StoreUnavailable
from obelisk_runtime.storage.sqlite import SqliteStore, back_up, check_store
from obelisk_runtime.storage.sqlite import backup as backup_module
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.checks import dump
from obelisk_runtime.testing.conformance.scenes import activity, numbered, waiting_workflow
from obelisk_runtime.testing.conformance.trees import finished_tree
from obelisk_runtime.testing.series import Series


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "obelisk.db")
    for number in range(1, 6):
        await finished_tree(store, number)
    await waiting_workflow(store, 6)
    yield store
    await store.close()


async def test_a_backup_of_a_store_in_use_has_the_same_executions(store: SqliteStore, tmp_path: Path) -> None:
    before = await dump(store)
    await asyncio.to_thread(back_up, tmp_path / "obelisk.db", tmp_path / "copy.db")
    assert not (await check_store(tmp_path / "copy.db")).problems
    copy = await SqliteStore.open(tmp_path / "copy.db")
    assert await dump(copy) == before
    await copy.close()


async def test_commits_go_on_during_a_backup_and_it_is_one_moment(store: SqliteStore, tmp_path: Path) -> None:
    run = Series(store, numbered(77), lambda: START)
    await run.start()
    stopped = asyncio.Event()
    steps = 0

    async def work() -> None:
        nonlocal steps
        while not stopped.is_set():
            await run.step()
            steps += 1

    working = asyncio.ensure_future(work())
    for number in range(5):
        target = tmp_path / f"copy-{number}.db"
        begun = steps
        await asyncio.to_thread(back_up, tmp_path / "obelisk.db", target)
        while steps == begun:  # noqa: ASYNC110 - the loop has to turn
            await asyncio.sleep(0)
        checked = await check_store(target)
        assert checked.problems == ()
    stopped.set()
    await working


async def test_a_closed_store_can_be_copied_and_checked(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "obelisk.db")
    await store.create(activity(numbered(1)))
    await store.close()
    back_up(tmp_path / "obelisk.db", tmp_path / "copy.db")
    assert (await check_store(tmp_path / "copy.db")).executions == 1
    assert (await check_store(tmp_path / "obelisk.db")).executions == 1


async def test_a_file_that_exists_is_not_overwritten(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(StoreUnavailable, match="exists"):
        back_up(tmp_path / "obelisk.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"


async def test_a_backup_that_was_cut_off_is_no_file_and_does_not_hinder_the_next(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(path: Path) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patched:
        patched.setattr(backup_module, "_settle", die)
        with pytest.raises(KeyboardInterrupt):
            back_up(tmp_path / "obelisk.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    back_up(tmp_path / "obelisk.db", tmp_path / "copy.db")
    assert not (await check_store(tmp_path / "copy.db")).problems
    assert not (tmp_path / "copy.db.part").exists()


async def test_what_is_no_store_is_neither_copied_nor_checked(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 1_000)
    with pytest.raises(StoreCorrupt):
        back_up(tmp_path / "text", tmp_path / "copy.db")
    with pytest.raises(StoreCorrupt):
        await check_store(tmp_path / "text")
    with pytest.raises(StoreUnavailable):
        back_up(tmp_path / "missing.db", tmp_path / "copy.db")


async def test_a_check_reads_every_execution_but_what_was_pruned(store: SqliteStore, tmp_path: Path) -> None:
    assert (await check_store(tmp_path / "obelisk.db")).executions == len(await dump(store))
    await store.prune([numbered(1)], Instant(START + 1))
    checked = await check_store(tmp_path / "obelisk.db")
    assert checked.executions == len(await dump(store))
    assert checked.problems == ()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE executions SET attempts = attempts + 1 WHERE parent = 0 AND status = 4", "it is stored as"),
        ("UPDATE executions SET status = 1, due = 5 WHERE status = 4", "it is stored as"),
        ("UPDATE executions SET version = version + 1 WHERE parent = 0", "its log has gaps"),
        ("UPDATE responses SET position = position + 10 WHERE position = 2", "its responses have gaps"),
        ("DELETE FROM responses WHERE position = 3", "its responses have gaps"),
        ("DELETE FROM events WHERE version > 1", "its log has gaps"),
        ("UPDATE executions SET log = x'90' WHERE parent = 0", "its log has gaps"),
        ("INSERT INTO logs VALUES (NULL, 9999, 1, 1, 1, 'info', 'log', 'text')", "refers to a row of executions"),
    ],
)
async def test_a_check_finds_what_does_not_fit(store: SqliteStore, tmp_path: Path, damage: str, found: str) -> None:
    copy = tmp_path / "copy.db"
    back_up(tmp_path / "obelisk.db", copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute(damage)
    problems = (await check_store(copy)).problems
    assert problems
    assert any(found in problem for problem in problems), problems


async def test_a_check_beside_a_running_server_tells_of_no_change_as_damage(store: SqliteStore, tmp_path: Path) -> None:
    run = Series(store, numbered(78), lambda: START)
    await run.start()
    checking = asyncio.ensure_future(check_store(tmp_path / "obelisk.db"))
    while not checking.done():
        await run.step()
    assert checking.result().problems == ()
