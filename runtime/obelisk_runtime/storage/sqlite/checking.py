"""Checking a store: that the file is whole, and that every execution is what its log and responses say."""

from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import fold
from obelisk_runtime.core.ids import ExecutionId
from obelisk_runtime.core.projection import Projection
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, SchemaTooNew, StoreUnavailable
from obelisk_runtime.storage.codec import Interned
from obelisk_runtime.storage.sqlite.backup import open_to_read, uri_to_read
from obelisk_runtime.storage.sqlite.reads import Reader
from obelisk_runtime.storage.sqlite.schema import MIGRATIONS

PROBLEMS_MAX = 100
"""After so many a check tells of no more."""


@dataclass(frozen=True, slots=True)
class Checked:
    executions: int
    problems: tuple[str, ...]


async def check_store(path: Path) -> Checked:
    """Read all of a store, as of one moment, and write nothing. A server may have it and go on.

    Raises: StoreUnavailable, StoreCorrupt, SchemaTooNew.
    """
    problems = _check_file(path)
    executions = 0
    async with aiosqlite.connect(uri_to_read(path), uri=True, isolation_level=None) as connection:
        await connection.execute("BEGIN")
        rows = await connection.execute_fetchall("SELECT text FROM interned ORDER BY number")
        reader = Reader([connection], Interned(text for (text,) in rows))
        async for id_ in _ids(reader):
            executions += 1
            problem = await _problem(reader, id_)
            if problem is not None:
                problems.append(f"{id_}: {problem}")
            if len(problems) >= PROBLEMS_MAX:
                break
    return Checked(executions, tuple(problems))


def _check_file(path: Path) -> list[str]:
    """What is wrong with the file."""
    with closing(open_to_read(path)) as connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > len(MIGRATIONS):
            raise SchemaTooNew(f"{path} has schema {found}, this release knows {len(MIGRATIONS)}")
        if found < len(MIGRATIONS):
            raise StoreUnavailable(f"{path} has the older schema {found}; the next start of a server migrates it")
        problems = [text for (text,) in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})") if text != "ok"]
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            problems.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    return problems


async def _ids(reader: Reader) -> AsyncIterator[ExecutionId]:
    cursor: str | None = None
    while True:
        page = await reader.page(ExecutionFilter(top_level_only=False), cursor, PAGE_MAX)
        for item in page.items:
            yield item.id
        cursor = page.next_cursor
        if cursor is None:
            return


async def _problem(reader: Reader, id_: ExecutionId) -> str | None:
    try:
        stored = await reader.get(id_)
        return _difference(id_, stored, *await _read(reader, id_))
    except Exception as error:  # noqa: BLE001 - whatever a damaged log makes of reading it is what is wrong with it
        return f"its log cannot be read: {error!r}"


async def _read(reader: Reader, id_: ExecutionId) -> tuple[list[ev.Recorded], list[ev.Response]]:
    log: list[ev.Recorded] = []
    while page := await reader.log(id_, len(log), PAGE_MAX):
        log += page
    responses: list[ev.Response] = []
    while answers := await reader.responses(id_, responses[-1].position if responses else 0, PAGE_MAX):
        responses += answers
    return log, responses


def _difference(
    id_: ExecutionId, stored: Projection, log: list[ev.Recorded], responses: list[ev.Response]
) -> str | None:
    if [entry.version for entry in log] != list(range(stored.version)):
        return f"its log has gaps or another length than {stored.version}"
    if [response.position for response in responses] != list(range(1, stored.responses + 1)):
        return f"its responses have gaps or another number than {stored.responses}"
    folded = fold(id_, log, responses)
    return None if folded == stored else f"it is stored as {stored}, its log says {folded}"
