"""How many rows a page of a list looks at, and by which index."""

from pathlib import Path

import pytest

from obelisk_runtime.core.ids import Digest, Instant
from obelisk_runtime.ports.store import ExecutionFilter
from obelisk_runtime.storage.codec import Interned
from obelisk_runtime.storage.sqlite import SqliteStore, listing, overview
from obelisk_runtime.storage.sqlite.listing import KEY_MAX, Window, conditions
from obelisk_runtime.storage.sqlite.opening import open_connection
from obelisk_runtime.testing.conformance.scenes import ACTIVITY, activity, finish, numbered


@pytest.mark.parametrize(
    ("where", "plan"),
    [
        (ExecutionFilter(), "executions_top_level"),
        (ExecutionFilter(function_prefix="testing"), "executions_top_level"),
        (ExecutionFilter(id_prefix="E_01J"), "executions_by_id"),
        (ExecutionFilter(statuses=frozenset({"blocked", "paused"})), "executions_open"),
        (ExecutionFilter(statuses=frozenset({"finished"})), "executions_top_level"),
        (ExecutionFilter(results=frozenset({"trapped"})), "executions_failed"),
        (ExecutionFilter(results=frozenset({"ok", "err"})), "executions_top_level"),
        (ExecutionFilter(text="x", created_since=Instant(1)), "executions_top_level"),
        (ExecutionFilter(top_level_only=False, finished_since=Instant(1)), "INTEGER PRIMARY KEY"),
        (ExecutionFilter(parent=numbered(1)), "executions_by_id"),
    ],
)
@pytest.mark.parametrize("oldest_first", [False, True])
def test_executions_are_read_in_order_and_not_sorted(
    tmp_path: Path, where: ExecutionFilter, plan: str, oldest_first: bool
) -> None:
    connection = open_connection(tmp_path / "store.sqlite")
    condition = conditions(where, Interned([ACTIVITY.text]))
    assert condition is not None
    window = Window.of(1, KEY_MAX, None, oldest_first=oldest_first, whole=True)
    sql, values = condition.statement(window, 50)
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, values)]
    connection.close()
    assert any(plan in step for step in steps), steps
    if where.parent is None and where.id_prefix is None:
        assert not any("TEMP B-TREE" in step for step in steps), steps


def test_nothing_is_read_for_a_function_or_component_that_never_was() -> None:
    assert conditions(ExecutionFilter(function_prefix="other"), Interned([ACTIVITY.text])) is None
    assert conditions(ExecutionFilter(digest=Digest("sha256:0")), Interned()) is None


@pytest.mark.parametrize(
    ("sql", "plan"),
    [
        (listing.KEYS, "SEARCH executions"),
        (overview._OLDEST_DUE, "USING INDEX executions_due"),
        (overview._COUNT.format("parent = 0"), "USING COVERING INDEX"),
        (overview._COUNT_OPEN.format("parent = 0"), "USING INDEX executions_open"),
        (overview._COUNT_FAILED.format("parent = 0"), "USING INDEX executions_failed"),
        (overview._FAILURES.replace("?", "1"), "USING INDEX executions_failed"),
    ],
)
def test_what_is_asked_often_looks_at_few_rows(tmp_path: Path, sql: str, plan: str) -> None:
    connection = open_connection(tmp_path / "store.sqlite")
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql)]
    connection.close()
    assert any(plan in step for step in steps), steps
    assert "SCAN executions" not in steps


def test_a_window_is_bounded_and_says_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SCANNED_MAX", 10)

    def newest(cursor: int | None) -> tuple[int, int, int | None]:
        window = Window.of(3, 25, cursor, oldest_first=False, whole=False)
        return window.least, window.most, window.next

    assert [newest(None), newest(16), newest(6)] == [(16, 25, 16), (6, 15, 6), (3, 5, None)]

    def oldest(cursor: int | None) -> tuple[int, int, int | None]:
        window = Window.of(3, 25, cursor, oldest_first=True, whole=False)
        return window.least, window.most, window.next

    assert [oldest(None), oldest(12), oldest(22)] == [(3, 12, 12), (13, 22, 22), (23, 25, None)]


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_pages_go_on_where_nothing_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oldest_first: bool
) -> None:
    monkeypatch.setattr(listing, "SCANNED_MAX", 3)
    store = await SqliteStore.open(tmp_path / "store.sqlite")
    for number in range(10):
        await store.create(activity(numbered(number)))
        if number in (1, 8):
            await finish(store, numbered(number))
    where = ExecutionFilter(function_prefix=ACTIVITY.text, statuses=frozenset({"finished"}))
    pages: list[list[str]] = []
    cursor: str | None = None
    while not pages or cursor is not None:
        page = await store.list(where, cursor=cursor, limit=5, oldest_first=oldest_first)
        pages.append([item.id for item in page.items])
        cursor = page.next_cursor
    await store.close()
    first, second = (1, 8) if oldest_first else (8, 1)
    assert pages == [[numbered(first)], [], [numbered(second)], []]


async def test_what_was_swept_since_its_key_was_read_has_no_id(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "obelisk.db")
    assert await store._reader.ids([7, -7]) == {0: None}
    await store.close()
