"""Opening a file: made if missing, migrated if old, refused with a clear error if it cannot be used."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from obelisk_runtime.core import events as ev
from obelisk_runtime.core import projection as proj
from obelisk_runtime.core.ids import Instant, top_level_id
from obelisk_runtime.ports.store import (
    ExecutionFilter,
    NewExecution,
    SchemaTooNew,
    StoreCorrupt,
    StoreInUse,
    StoreUnavailable,
)
from obelisk_runtime.storage.sqlite import Migrated, SqliteStore, back_up, migrate, opening
from obelisk_runtime.storage.sqlite.lock_file import LockFile
from obelisk_runtime.storage.sqlite.schema import MIGRATIONS
from obelisk_runtime.testing.series import FIBO

AT = Instant(1_700_000_000_000_000)
SCHEMA = len(MIGRATIONS)


def activity(number: int) -> NewExecution:
    event = ev.Created(kind=ev.ExecutionKind.ACTIVITY, function=FIBO, params="[10]")
    return NewExecution(top_level_id(AT // 1000, number), [ev.Recorded(0, AT, event)], proj.begin(event, AT))


async def make(path: Path, count: int = 1) -> None:
    store = await SqliteStore.open(path)
    for number in range(count):
        await store.create(activity(number))
    await store.close()


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


async def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "store.sqlite"
    await make(path)
    assert path.exists()


async def test_the_settings_are_durable_ones(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "store")
    connection = store._writer._connection
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    await store.close()


def test_closing_leaves_one_file_with_everything_in_it(tmp_path: Path) -> None:
    asyncio.run(make(tmp_path / "store"))
    assert {path.name for path in tmp_path.iterdir()} == {"store", "store.lock"}


async def test_a_second_store_on_the_file_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = await SqliteStore.open(path)
    with pytest.raises(StoreInUse, match=rf"{path} is in use by the server with process id {os.getpid()};"):
        await SqliteStore.open(path)
    await store.close()
    await make(path)


def test_another_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "store"
    hold = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from obelisk_runtime.storage.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = await SqliteStore.open(Path(sys.argv[1]))\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.readline()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreInUse, match=f"process id {holder.pid};"):
            LockFile(path)
        holder.kill()
    LockFile(path).release()


async def test_a_newer_schema_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "store"
    await make(path)
    execute(path, f"PRAGMA user_version = {SCHEMA + 3}")
    with pytest.raises(SchemaTooNew, match=f"has schema {SCHEMA + 3}, this release knows {SCHEMA}"):
        await SqliteStore.open(path)


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.write_bytes(b"not a database, and long enough for a header of a page" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="restore it from a backup"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store"
    execute(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="another program"):
        await SqliteStore.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
async def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store"
    await make(path, 200)
    content = path.read_bytes()
    half = len(content) // 2
    page = opening.PAGE_BYTES
    path.write_bytes(content[:half] if damage == "truncated" else content[:page] + b"\xa5" * (len(content) - page))
    with pytest.raises(StoreCorrupt, match="restore it from a backup"):
        await SqliteStore.open(path)


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot make the folder"):
        await SqliteStore.open(tmp_path / "file" / "folder" / "store")


async def test_a_path_that_is_a_folder_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(StoreUnavailable, match="folder: Is a directory; check"):
        await SqliteStore.open(folder)


def test_a_refused_path_is_left_as_it_was_without_a_lock_file(tmp_path: Path) -> None:
    path = tmp_path / "other"
    execute(path, "CREATE TABLE t (x)")
    content = path.read_bytes()
    with pytest.raises(StoreCorrupt):
        asyncio.run(SqliteStore.open(path))
    assert {file.name for file in tmp_path.iterdir()} == {"other"}
    assert path.read_bytes() == content


def test_the_lock_file_of_a_store_that_is_refused_stays_if_it_was_there(tmp_path: Path) -> None:
    path = tmp_path / "store"
    LockFile(path).release()
    LockFile(path).discard()
    assert path.with_name("store.lock").exists()


async def test_only_the_owner_may_read_a_store_and_what_is_beside_it(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        store = await SqliteStore.open(tmp_path / "store")
        await store.create(activity(1))
        await asyncio.to_thread(back_up, tmp_path / "store", tmp_path / "copy")
        names = ("store", "store-wal", "store-shm", "store.lock", "copy")
        modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in names}
        await store.close()
    finally:
        os.umask(mask)
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser writes everywhere")
def test_a_read_only_folder_is_unavailable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailable, match="permission"):
        asyncio.run(SqliteStore.open(tmp_path / "store"))


async def test_a_read_only_file_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "store"
    await make(path)
    with (
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        opening._prepare(connection, path)
    assert isinstance(opening.opening_error(path, caught.value), StoreUnavailable)


async def test_an_old_schema_is_migrated_with_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store"
    await make(path, 3)
    monkeypatch.setattr(opening, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER) STRICT;"))
    store = await SqliteStore.open(path)
    assert len((await store.list(ExecutionFilter())).items) == 3
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA + 1,)
        assert connection.execute("SELECT count(*) FROM later").fetchone() == (0,)
    monkeypatch.undo()
    backup = await SqliteStore.open(tmp_path / f"store.schema-{SCHEMA}.backup")
    assert len((await backup.list(ExecutionFilter())).items) == 3
    await backup.close()


async def test_a_store_is_migrated_without_being_served_but_not_beside_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    with pytest.raises(StoreUnavailable, match="cannot open"):
        migrate(path)
    assert not path.exists()
    await make(path, 3)
    assert migrate(path) == Migrated(SCHEMA, SCHEMA, None)
    monkeypatch.setattr(opening, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER) STRICT;"))
    copy = tmp_path / f"store.schema-{SCHEMA}.backup"
    lock = LockFile(path)
    with pytest.raises(StoreInUse):
        migrate(path)
    lock.release()
    assert not copy.exists()
    assert migrate(path) == Migrated(SCHEMA, SCHEMA + 1, copy)
    assert copy.exists()
    store = await SqliteStore.open(path)
    assert len((await store.list(ExecutionFilter())).items) == 3
    await store.close()


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store"
    await make(path, 3)
    monkeypatch.setattr(opening, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x INTEGER); SELECT * FROM absent;"))
    with pytest.raises(StoreUnavailable, match="no such table: absent"):
        await SqliteStore.open(path)
    monkeypatch.undo()
    store = await SqliteStore.open(path)
    assert len((await store.list(ExecutionFilter())).items) == 3
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'later'").fetchone() == (0,)


async def test_views_show_ids_and_words(tmp_path: Path) -> None:
    path = tmp_path / "store"
    await make(path)
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT id, function, kind, status FROM readable_executions").fetchone()
    assert row == (activity(0).id, FIBO.text, "activity", "pending")
