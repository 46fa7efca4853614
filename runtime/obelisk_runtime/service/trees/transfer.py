"""Export and import of trees of executions."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from obelisk_runtime.core.deployment import MEBIBYTE
from obelisk_runtime.core.errors import ObeliskError
from obelisk_runtime.core.ids import Digest, ExecutionId, Instant, top_of
from obelisk_runtime.core.transfer import (
    Arriving,
    Exported,
    ExportedDelay,
    ExportedLine,
    ExportedRequest,
    arrived,
    line_of,
    referenced,
    tree_of,
)
from obelisk_runtime.ports.store import (
    PAGE_MAX,
    ExecutionFilter,
    ExecutionNotFound,
    Grafted,
    GraftedDelay,
    IdConflict,
    LogLevel,
    LogRecord,
    RequestRecord,
    Store,
)
from obelisk_runtime.service.executions.reading import read_log, read_open_delays, read_responses
from obelisk_runtime.service.process.node import Node

_Record = TypeVar("_Record", LogRecord, RequestRecord)
EXECUTIONS_MAX = 20_000
"""In a tree that is exported."""
EXPORT_BYTES_MAX = 64 * 1024 * 1024
"""Of the lines of a tree that is exported, which are in memory together."""
SLICE_SECONDS = 0.005
"""How long lines are decoded and folded before others have their turn of the event loop."""
READS_MAX = 5
"""How often a tree is read until it stood still meanwhile."""


class TreeTooLarge(ObeliskError):
    def __init__(self, execution_id: ExecutionId) -> None:
        super().__init__(
            f"the tree of {execution_id} has more than {EXECUTIONS_MAX} executions, or more than "
            f"{EXPORT_BYTES_MAX // MEBIBYTE} MiB; copy the store instead"
        )


class TreeBusy(ObeliskError):
    """It changed each time it was read."""

    def __init__(self, execution_id: ExecutionId) -> None:
        super().__init__(f"the tree of {execution_id} changes faster than it is read; pause it, or export it later")


class ImportResult(StrEnum):
    IMPORTED = "imported"
    EXISTED = "existed"


@dataclass(frozen=True, slots=True)
class Imported:
    id: ExecutionId
    result: ImportResult
    missing: Sequence[Digest]
    """Components it refers to that this store does not have: deploy them before it is resumed."""


@dataclass(frozen=True, slots=True)
class _Read:
    """An execution of a tree, and where it stood when it was read."""

    id: ExecutionId
    version: int
    responses: int
    line: bytes


async def export_tree(store: Store, execution_id: ExecutionId) -> list[bytes]:
    """The whole tree of an execution at one moment, a line for each execution, parents first.

    Raises: ExecutionNotFound, TreeTooLarge, TreeBusy, StoreUnavailable.
    """
    for _ in range(READS_MAX):
        tree = await _read_tree(store, execution_id)
        if not await _moved(store, tree):
            return [read.line for read in tree]
    raise TreeBusy(top_of(execution_id))


async def _moved(store: Store, tree: Sequence[_Read]) -> bool:
    """Whether something was appended or answered while it was read: then parents and children may not fit together."""
    for read in tree:
        projection = await store.get(read.id)
        if (projection.version, projection.responses) != (read.version, read.responses):
            return True
    return False


async def _read_tree(store: Store, execution_id: ExecutionId) -> list[_Read]:
    ids = [top_of(execution_id)]
    tree: list[_Read] = []
    size = 0
    for id_ in ids:
        exported = await _export(store, id_)
        line = line_of(exported)
        tree.append(_Read(id_, len(exported.log), len(exported.responses), line))
        size += len(line)
        ids += reversed(await _children(store, id_))
        if len(ids) > EXECUTIONS_MAX or size > EXPORT_BYTES_MAX:
            raise TreeTooLarge(ids[0])
    return tree


async def _children(store: Store, parent: ExecutionId) -> list[ExecutionId]:
    found: list[ExecutionId] = []
    cursor: str | None = None
    while True:
        page = await store.list(ExecutionFilter(parent=parent), cursor=cursor, limit=PAGE_MAX)
        found += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None or len(found) > EXECUTIONS_MAX:
            return found


async def _export(store: Store, id_: ExecutionId) -> Exported:
    log = await read_log(store, id_)
    responses = await read_responses(store, id_)
    delays = await read_open_delays(store, id_)
    records = await _all(store.read_logs, id_)
    requests = await _all(store.read_requests, id_)
    return Exported(
        id=id_,
        log=log,
        responses=responses,
        delays=[ExportedDelay(delay.id, delay.wakes, delay.paused) for delay in delays],
        logs=[ExportedLine(r.run, r.ordinal, r.at, r.level.value, r.source, r.message) for r in records],
        requests=[ExportedRequest(r.run, r.ordinal, r.made, r.more) for r in requests],
        components=referenced(log),
    )


async def _all(read: Callable[..., Awaitable[Sequence[tuple[int, _Record]]]], id_: ExecutionId) -> list[_Record]:
    records: list[_Record] = []
    cursor = 0
    while page := await read(id_, after=cursor, limit=PAGE_MAX):
        records += [record for _, record in page]
        cursor = page[-1][0]
    return records


async def import_tree(node: Node, lines: Sequence[bytes]) -> Imported:
    """All of it or nothing. Unfinished executions arrive paused.

    A tree that is here already, and is equal, is left as it is. Raises: InvalidExport, IdConflict if another one has
    its id, StoreUnavailable.
    """
    tree, grafted = await _read_lines(lines, node.clock.now())
    result = ImportResult.IMPORTED
    try:
        await node.store.graft(grafted)
    except IdConflict as conflict:
        if not await _is_here(node.store, tree):
            raise IdConflict(conflict.execution_id, "another history") from None
        result = ImportResult.EXISTED
    digests = dict.fromkeys(digest for exported in tree for digest in exported.components)
    missing = [digest for digest in digests if await node.store.get_component(digest) is None]
    return Imported(tree[0].id, result, missing)


async def _read_lines(lines: Sequence[bytes], now: Instant) -> tuple[list[Exported], list[Grafted]]:
    """Gives way to others after each slice of time. Raises: InvalidExport."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SLICE_SECONDS
    tree: list[Exported] = []
    grafted: list[Grafted] = []
    for arriving in tree_of(lines, now):
        tree.append(arriving.exported)
        grafted.append(_grafted(arriving))
        if loop.time() >= until:
            await asyncio.sleep(0)
            until = loop.time() + SLICE_SECONDS
    return tree, grafted


def _grafted(arriving: Arriving) -> Grafted:
    exported = arriving.exported
    records = [
        LogRecord(exported.id, line.run, line.ordinal, line.at, LogLevel(line.level), line.source, line.message)
        for line in exported.logs
    ]
    return Grafted(
        id=exported.id,
        log=arriving.log,
        responses=exported.responses,
        projection=arriving.projection,
        delays=[GraftedDelay(delay.id, delay.wakes, delay.paused) for delay in exported.delays],
        logs=records,
        requests=[RequestRecord(exported.id, r.run, r.ordinal, r.made, r.more) for r in exported.requests],
    )


async def _is_here(store: Store, tree: Sequence[Exported]) -> bool:
    children = Counter(exported.id.rpartition(".")[0] for exported in tree)
    try:
        for exported in tree:
            log = await read_log(store, exported.id)
            responses = await read_responses(store, exported.id)
            if not arrived(exported, log) or responses != exported.responses:
                return False
            if len(await _children(store, exported.id)) != children[exported.id]:
                return False
    except ExecutionNotFound:
        return False
    return True
