"""The writer: group commit, isolation of what fails, recovery from a full disk, and the size of a step."""

import asyncio
import itertools
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Instant, top_level_id
from obelisk_runtime.ports.store import (
    Append,
    Changed,
    CreateOutcome,
    ExecutionFilter,
    IdConflict,
    NewExecution,
    Offer,
    StoreUnavailable,
    VersionConflict,
)
from obelisk_runtime.storage.sqlite import SqliteStore, ledger, writer
from obelisk_runtime.testing.series import DIGEST, EXECUTOR, FIBO, Series

AT = Instant(1_700_000_000_000_000)
BYTES_A_STEP_MAX = 300


def activity(number: int, params: str = "[10]") -> NewExecution:
    event = ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FIBO, params=params)
    return NewExecution(top_level_id(AT // 1000, number), [ev.Recorded(0, AT, event)], proj.begin(event, AT))


def paused(new: NewExecution, version: int = 1) -> Append:
    event = ev.Paused(reason="test")
    projection = proj.apply(new.projection, event, AT)
    return Append(new.id, version, [ev.Recorded(version, AT, event)], projection)


@pytest.fixture
def statements() -> list[str]:
    """What the store has executed."""
    return []


@pytest_asyncio.fixture
async def store(tmp_path: Path, statements: list[str]) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "store", hook=statements.append)
    yield store
    await store.close()


async def test_writes_of_one_turn_share_one_transaction(store: SqliteStore, statements: list[str]) -> None:
    await asyncio.gather(*(store.create(activity(number)) for number in range(100)))
    assert statements.count("commit") == 1
    assert statements.count("executions") == 3  # 64 + 32 + 4 rows


async def test_a_child_created_and_finished_in_one_turn_is_one_row(store: SqliteStore, statements: list[str]) -> None:
    run = Series(store, top_level_id(AT // 1000, 1), lambda: AT)
    await run.start()
    await run.step()
    statements.clear()
    await run.step()
    assert statements == ["begin", "executions", "counted", "events", "responses", "commit"]


async def test_a_write_that_fails_in_a_transaction_fails_alone(store: SqliteStore, statements: list[str]) -> None:
    first, second = activity(1), activity(2)
    await store.create(first)
    await store.create(second)
    statements.clear()
    stale, fresh = await asyncio.gather(
        store.append(paused(first, 7)), store.append(paused(second)), return_exceptions=True
    )
    assert isinstance(stale, VersionConflict)
    assert fresh is None
    assert statements.count("commit") == 1
    assert (await store.get(first.id)).version == 1
    assert (await store.get(second.id)).version == 2


async def test_an_id_that_is_only_in_the_file_is_found(tmp_path: Path) -> None:
    for _ in range(2):
        store = await SqliteStore.open(tmp_path / "store")
        same, other, new = await asyncio.gather(
            store.create(activity(1)), store.create(activity(1, "[11]")), store.create(activity(2)),
            return_exceptions=True,
        )  # fmt: skip
        assert isinstance(other, IdConflict)
        await store.close()
    assert same == new == CreateOutcome.EXISTED


async def test_a_write_with_a_bug_fails_alone(store: SqliteStore) -> None:
    await store.create(activity(1))
    wrong = Append(activity(1).id, 1, [], activity(1).projection, response=ev.Response(0, AT, "E_other", ev.DelayDue()))
    bug, fine = await asyncio.gather(store.append(wrong), store.create(activity(2)), return_exceptions=True)
    assert isinstance(bug, AssertionError)
    assert fine is CreateOutcome.CREATED


async def test_a_write_whose_rows_cannot_be_written_fails_alone(store: SqliteStore) -> None:
    projection = msgspec.structs.replace(activity(2).projection, deadline=Instant(2**63))
    wrong = replace(activity(2), projection=projection)
    first, bug, last = await asyncio.gather(
        store.create(activity(1)), store.create(wrong), store.create(activity(3)), return_exceptions=True
    )
    assert first == last == CreateOutcome.CREATED
    assert isinstance(bug, OverflowError)
    assert (await store.get(activity(3).id)).function == FIBO


async def test_a_full_disk_is_told_and_the_store_recovers_with_it(store: SqliteStore) -> None:
    await store.create(activity(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, before[1]))
    try:
        refused = await asyncio.gather(
            store.create(activity(2, '"' + "x" * 1_000_000 + '"')), store.append(paused(activity(1))),
            return_exceptions=True,
        )  # fmt: skip
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for error in refused:
        assert isinstance(error, StoreUnavailable)
        assert "nothing was written" in str(error)
    assert [item.id for item in (await store.list(ExecutionFilter())).items] == [activity(1).id]
    assert await store.create(activity(2)) is CreateOutcome.CREATED
    await store.append(paused(activity(1)))
    assert (await store.get(activity(1).id)).lifecycle.paused


async def test_a_failed_transaction_is_forgotten_also_where_texts_were_interned(tmp_path: Path) -> None:
    failing = [True]

    def hook(name: str) -> None:
        if name == "commit" and failing.pop():
            raise OSError("no space left")

    store = await SqliteStore.open(tmp_path / "store", hook=hook)
    with pytest.raises(StoreUnavailable, match="no space left"):
        await store.create(activity(1))
    failing.append(False)
    await store.create(activity(1))
    await store.close()
    store = await SqliteStore.open(tmp_path / "store")
    assert (await store.get(activity(1).id)).function == FIBO
    await store.close()


async def test_more_writes_than_may_wait_are_refused(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUED_MAX", 2)
    results = await asyncio.gather(*(store.create(activity(number)) for number in range(3)), return_exceptions=True)
    assert results[:2] == [CreateOutcome.CREATED] * 2
    assert isinstance(results[2], StoreUnavailable)
    assert await store.create(activity(2)) is CreateOutcome.CREATED


async def test_more_writes_than_a_transaction_takes_are_written_in_order(
    store: SqliteStore, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "TRANSACTION_WRITES_MAX", 10)
    writes = [store.create(activity(number)) for number in range(5)]
    for number in range(5, 50):
        await asyncio.sleep(0)
        writes.append(store.create(activity(number)))
    await asyncio.gather(*writes)
    listed = [item.id for item in (await store.list(ExecutionFilter())).items]
    assert listed == [activity(number).id for number in reversed(range(50))]


async def test_nothing_is_lost_when_the_memory_of_executions_is_dropped(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "HELD_MAX", 1)
    runs = [Series(store, top_level_id(AT // 1000, number), lambda: AT) for number in range(3)]
    for run in runs:
        await run.start()
    for _ in range(3):
        await asyncio.gather(*(run.step(together=False) for run in runs))
    assert (await store.get(top_level_id(AT // 1000, 2))).responses == 3


async def test_listeners_hear_of_what_a_transaction_changed(store: SqliteStore) -> None:
    heard: list[Changed] = []
    unsubscribe = store.subscribe(heard.append)
    await store.create(activity(1))
    await store.append(paused(activity(1)))
    unsubscribe()
    await store.create(activity(2))
    only = frozenset({activity(1).id})
    assert heard == [Changed(only, pending=True), Changed(only, pending=False)]


async def test_a_write_whose_caller_was_cancelled_is_written(store: SqliteStore) -> None:
    write = asyncio.ensure_future(store.create(activity(1)))
    write.cancel()
    await store.create(activity(2))
    assert (await store.get(activity(1).id)).version == 1


async def test_a_closed_store_has_finished_its_writes_and_takes_no_more(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store")
    writes = [asyncio.ensure_future(store.create(activity(number))) for number in range(10)]
    await store.close()
    assert [write.result() for write in writes] == [CreateOutcome.CREATED] * 10
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.create(activity(11))
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.get(activity(1).id)
    await store.close()


@pytest.mark.parametrize("together", [True, False])
async def test_a_step_of_a_series_is_small(tmp_path: Path, *, together: bool) -> None:
    clock = itertools.count(AT, 700)
    store = await SqliteStore.open(tmp_path / "store")
    run = Series(store, top_level_id(AT // 1000, 1), lambda: Instant(next(clock)))
    await run.start()
    for _ in range(500):
        await run.step(together=together)
    await run.finish()
    await store.close()
    size = (tmp_path / "store").stat().st_size / 500
    assert size <= BYTES_A_STEP_MAX


async def test_a_stub_is_never_due(store: SqliteStore) -> None:
    event = ev.Created(kind=ev.ExecutionKind.STUB, function=FIBO, params="[10]")
    stub = NewExecution(top_level_id(AT // 1000, 1), [ev.Recorded(0, AT, event)], proj.begin(event, AT))
    await store.create(stub)
    assert await store.next_due() is None
    offer = Offer(ev.ExecutionKind.STUB, {FIBO: None}, 10)
    assert list(await store.lock_pending(AT, EXECUTOR, [offer])) == []


async def test_an_upgrade_changes_the_pinned_component(store: SqliteStore) -> None:
    new = activity(1)
    await store.create(new)
    event = ev.Upgraded(digest=DIGEST)
    entry = ev.Recorded(1, AT, event)
    await store.append(Append(new.id, 1, [entry], proj.apply(new.projection, event, AT)))
    assert (await store.get(new.id)).digest == DIGEST
    assert (await store.log(new.id, start=1)) == [entry]
