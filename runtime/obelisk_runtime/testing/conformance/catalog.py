"""Components, what guests wrote and asked, and hints."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.requests import RequestMade
from obelisk_runtime.ports.store import PAGE_MAX, Changed, LogLevel, LogRecord, RequestRecord, Store, levels_from
from obelisk_runtime.testing.clock import START
from obelisk_runtime.testing.conformance.executions import MIB, UNICODE
from obelisk_runtime.testing.conformance.scenes import (
    DIGEST,
    LATER,
    OTHER_DIGEST,
    activity,
    decide,
    finish,
    numbered,
    running_workflow,
    waiting_workflow,
)


def record(execution_id: ExecutionId, run: int, ordinal: int, message: str = "hello") -> LogRecord:
    return LogRecord(execution_id, run, ordinal, START, LogLevel.INFO, "log", message)


async def read(store: Store, execution_id: ExecutionId) -> list[LogRecord]:
    return [entry for _, entry in await store.read_logs(execution_id)]


class TestComponents:
    pytestmark = pytest.mark.asyncio

    async def test_a_component_is_kept_by_its_digest(self, store: Store) -> None:
        large = bytes(range(256)) * (10 * MIB // 256)
        await store.put_component(DIGEST, large)
        await store.put_component(OTHER_DIGEST, b"")
        assert await store.get_component(DIGEST) == large
        assert await store.get_component(OTHER_DIGEST) == b""

    async def test_an_unknown_component_is_none(self, store: Store) -> None:
        assert await store.get_component(DIGEST) is None

    async def test_a_known_digest_is_left_as_it_is(self, store: Store) -> None:
        await store.put_component(DIGEST, b"first")
        await store.put_component(DIGEST, b"second")
        assert await store.get_component(DIGEST) == b"first"


class TestGuestLogs:
    pytestmark = pytest.mark.asyncio

    async def test_records_are_read_in_the_order_they_were_written(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.create(activity(numbered(2)))
        records = [record(numbered(1), 2, 0), record(numbered(1), 1, 5), record(numbered(1), 1, 0)]
        await store.write_logs([records[0], record(numbered(2), 1, 0)])
        await store.write_logs(records[1:])
        assert await read(store, numbered(1)) == records
        assert await read(store, numbered(2)) == [record(numbered(2), 1, 0)]

    async def test_every_field_is_kept(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        records = [
            LogRecord(numbered(1), 3, ordinal, LATER, level, source, UNICODE)
            for ordinal, (level, source) in enumerate(
                (level, source) for level in LogLevel for source in ("log", "stdout", "stderr")
            )
        ]
        await store.write_logs(records)
        assert await read(store, numbered(1)) == records

    async def test_a_record_written_again_is_passed_over(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        first = record(numbered(1), 1, 0, "first")
        await store.write_logs([first, record(numbered(1), 1, 0, "same place")])
        await store.write_logs([record(numbered(1), 1, 0, "again"), record(numbered(1), 1, 1, "next")])
        assert await read(store, numbered(1)) == [first, record(numbered(1), 1, 1, "next")]

    async def test_a_record_of_an_unknown_execution_is_passed_over(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.write_logs([record(numbered(9), 1, 0), record(numbered(1), 1, 0)])
        assert await read(store, numbered(9)) == []
        assert await read(store, numbered(1)) == [record(numbered(1), 1, 0)]

    async def test_records_written_right_after_the_creation_are_kept(self, store: Store) -> None:
        creating = store.create(activity(numbered(1)))
        await store.write_logs([record(numbered(1), 1, 0)])
        await creating
        assert await read(store, numbered(1)) == [record(numbered(1), 1, 0)]

    async def test_reading_goes_on_after_a_cursor(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.write_logs([record(numbered(1), 1, ordinal) for ordinal in range(5)])
        first = await store.read_logs(numbered(1), limit=2)
        await store.write_logs([record(numbered(1), 1, 5)])
        rest = await store.read_logs(numbered(1), after=first[-1][0])
        assert [entry.ordinal for _, entry in [*first, *rest]] == list(range(6))
        cursors = [cursor for cursor, _ in [*first, *rest]]
        assert cursors == sorted(set(cursors))
        assert cursors[0] > 0
        assert list(await store.read_logs(numbered(1), after=cursors[-1])) == []

    async def test_levels_are_chosen_and_pages_are_full_of_them(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        records = [
            LogRecord(numbered(1), 1, ordinal, START, level, "log", "hello")
            for ordinal, level in enumerate(list(LogLevel) * 3)
        ]
        await store.write_logs(records)
        found = await store.read_logs(numbered(1), limit=4, levels=levels_from(LogLevel.WARN))
        assert [entry.level for _, entry in found] == [LogLevel.WARN, LogLevel.ERROR] * 2
        rest = await store.read_logs(numbered(1), after=found[-1][0], levels=levels_from(LogLevel.WARN))
        assert [entry.level for _, entry in rest] == [LogLevel.WARN, LogLevel.ERROR]
        assert await store.read_logs(numbered(1), levels=frozenset()) == []

    async def test_what_a_whole_tree_wrote_is_read_in_order(self, store: Store) -> None:
        parent = await running_workflow(store)
        decision = await decide(store, parent)
        child = decision.call()
        await store.append(decision.append)
        await store.create(activity(numbered(2)))
        records = [record(parent, 1, 0), record(child, 1, 0), record(numbered(2), 1, 0), record(parent, 1, 1)]
        await store.write_logs(records)
        found = [entry for _, entry in await store.read_logs(parent, tree=True)]
        assert found == [records[0], records[1], records[3]]
        assert [entry for _, entry in await store.read_logs(child, tree=True)] == [records[1]]

    async def test_no_page_is_longer_than_the_maximum(self, raw_store: Store) -> None:
        await raw_store.create(activity(numbered(1)))
        await raw_store.write_logs([record(numbered(1), 1, ordinal) for ordinal in range(PAGE_MAX + 1)])
        assert len(await raw_store.read_logs(numbered(1), limit=PAGE_MAX + 1)) == PAGE_MAX


def request(execution_id: ExecutionId, run: int, ordinal: int, url: str = "https://example.com/") -> RequestRecord:
    made = RequestMade(
        at=START,
        method="GET",
        url=url,
        status=200,
        error=None,
        detail="",
        sent=1,
        received=2,
        head_after=3,
        duration=4,
    )
    return RequestRecord(execution_id, run, ordinal, made)


async def read_requests(store: Store, execution_id: ExecutionId) -> list[RequestRecord]:
    return [entry for _, entry in await store.read_requests(execution_id)]


class TestRequests:
    pytestmark = pytest.mark.asyncio

    async def test_requests_are_read_in_the_order_they_were_written(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        await store.create(activity(numbered(2)))
        records = [request(numbered(1), 2, 0), request(numbered(1), 1, 5), request(numbered(1), 1, 0)]
        await store.write_requests([records[0], request(numbered(2), 1, 0)])
        await store.write_requests(records[1:])
        assert await read_requests(store, numbered(1)) == records
        assert await read_requests(store, numbered(2)) == [request(numbered(2), 1, 0)]

    async def test_every_field_of_a_request_is_kept(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        failed = RequestMade(
            at=LATER,
            method="PURGE",
            url=UNICODE,
            status=None,
            error="HTTP-request-denied",
            detail=UNICODE,
            sent=0,
            received=2**40,
            head_after=None,
            duration=0,
        )
        records = [RequestRecord(numbered(1), 1, 0, failed), replace(request(numbered(1), 1, 1), more=True)]
        await store.write_requests(records)
        assert await read_requests(store, numbered(1)) == records

    async def test_a_request_written_again_or_of_an_unknown_execution_is_passed_over(self, store: Store) -> None:
        await store.create(activity(numbered(1)))
        first = request(numbered(1), 1, 0)
        await store.write_requests([first, request(numbered(9), 1, 0)])
        await store.write_requests([request(numbered(1), 1, 0, "https://again.example/"), request(numbered(1), 1, 1)])
        assert await read_requests(store, numbered(1)) == [first, request(numbered(1), 1, 1)]
        assert await read_requests(store, numbered(9)) == []

    async def test_reading_requests_goes_on_after_a_cursor(self, raw_store: Store) -> None:
        await raw_store.create(activity(numbered(1)))
        count = PAGE_MAX + 3
        await raw_store.write_requests([request(numbered(1), 1, ordinal) for ordinal in range(count)])
        first = await raw_store.read_requests(numbered(1), limit=count)
        assert len(first) == PAGE_MAX
        rest = await raw_store.read_requests(numbered(1), after=first[-1][0])
        assert [entry.ordinal for _, entry in [*first, *rest]] == list(range(count))


class Listener:
    """Remembers which executions it was told of."""

    def __init__(self) -> None:
        self.told: set[ExecutionId] = set()
        self.pending = False
        self._news = asyncio.Event()

    def __call__(self, changed: Changed) -> None:
        asyncio.get_running_loop()
        self.told |= changed.executions
        self.pending |= changed.pending
        self._news.set()

    async def until(self, satisfied: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not satisfied():
                self._news.clear()
                await self._news.wait()


class TestSignals:
    pytestmark = pytest.mark.asyncio

    async def test_listeners_are_told_on_the_loop_what_changed(self, store: Store) -> None:
        listeners = [Listener(), Listener()]
        for listener in listeners:
            store.subscribe(listener)
        parent, child = await waiting_workflow(store)
        for listener in listeners:
            await listener.until(lambda listener=listener: listener.told == {parent, child} and listener.pending)

    async def test_a_response_tells_of_the_parent(self, store: Store) -> None:
        parent, child = await waiting_workflow(store)
        listener = Listener()
        store.subscribe(listener)
        await finish(store, child)
        await listener.until(lambda: parent in listener.told)

    async def test_what_a_listener_is_told_of_can_be_read(self, raw_store: Store) -> None:
        found: list[object] = []
        readers: list[asyncio.Task[None]] = []
        done = asyncio.Event()

        async def look() -> None:
            found.append(await raw_store.get(numbered(1)))
            done.set()

        raw_store.subscribe(lambda _: readers.append(asyncio.ensure_future(look())))
        await raw_store.create(activity(numbered(1)))
        async with asyncio.timeout(10):
            await done.wait()
        await asyncio.gather(*readers)
        assert found

    async def test_who_unsubscribed_is_told_no_more(self, store: Store) -> None:
        gone, witness = Listener(), Listener()
        unsubscribe = store.subscribe(gone)
        store.subscribe(witness)
        unsubscribe()
        unsubscribe()
        await store.create(activity(numbered(1)))
        await witness.until(lambda: bool(witness.told))
        assert not gone.told
