"""The write-ahead log is copied to the file beside the commits."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from obelisk_runtime.storage.sqlite import SqliteStore, checkpoints
from obelisk_runtime.testing.conformance.scenes import activity, numbered

EXECUTIONS = 50
DEADLINE_SECONDS = 240


def in_the_file(path: Path) -> int:
    """How many executions the file has without its log."""
    copy = path.with_name("copy")
    shutil.copyfile(path, copy)
    with closing(sqlite3.connect(copy)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM executions").fetchone()[0]
        except sqlite3.Error:
            return 0


async def test_what_is_committed_gets_into_the_file_while_the_store_is_open(tmp_path: Path) -> None:
    path = tmp_path / "obelisk.db"
    store = await SqliteStore.open(path)
    for number in range(EXECUTIONS):
        await store.create(activity(numbered(number)))
    async with asyncio.timeout(DEADLINE_SECONDS):
        while in_the_file(path) < EXECUTIONS:  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.02)
    await store.close()


async def test_the_log_begins_anew_though_commits_never_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LOG_PAGES_MAX", 100)
    store = await SqliteStore.open(tmp_path / "obelisk.db")
    log = tmp_path / "obelisk.db-wal"
    number = 0
    async with asyncio.timeout(DEADLINE_SECONDS):
        begun = log.read_bytes()[:32]
        while log.read_bytes()[:32] == begun:
            await asyncio.gather(*(store.create(activity(numbered(number + n))) for n in range(20)))
            number += 20
    await store.close()
    with closing(sqlite3.connect(tmp_path / "obelisk.db")) as connection:
        assert connection.execute("SELECT count(*) FROM executions").fetchone() == (number,)
