"""Server-sent events: changes of executions as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html).

A cursor is the sequence of a commit, and for one execution also how many events of its log were sent: `12.34`. It is
good over restarts of the server. What a client missed is sent first; if that is too much, or is not known, it is told
that it fell behind, and reads everything again.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from obelisk_runtime.core.ids import ExecutionId, parent_of, parse_execution_id
from obelisk_runtime.core.projection import Finished, Projection
from obelisk_runtime.ports.store import ExecutionNotFound, StoreUnavailable
from obelisk_server.access import LOCAL, Caller
from obelisk_server.api import render, wire
from obelisk_server.api.followers import Follower, News, TooManyStreams
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply, Stream
from obelisk_server.api.problems import EXECUTION
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.api.sight import sees

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""A comment is sent after this long without news, so that everybody sees that the other is there."""
PAUSE_SECONDS = 0.1
"""Between batches: what changes many times meanwhile is sent once."""
RETRY_MILLISECONDS = 1_000
"""How long a client waits before it connects again."""
EVENTS_PER_READ = 200
LAST_EVENT_ID = "Last-Event-ID"
_CURSOR = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))?")


class StreamAll(wire.Request, frozen=True):
    children: bool = False
    """Children too, not only what clients submitted."""
    cursor: wire.Text | None = None
    """Where to go on, for a client that cannot send the header Last-Event-ID."""


class StreamOne(wire.Request, frozen=True):
    tree: bool = False
    """Tell also of all that is below it."""
    cursor: wire.Text | None = None
    """Where to go on, for a client that cannot send the header Last-Event-ID; or `0.N`: with the N-th event of its
    log."""


@dataclass(frozen=True, slots=True)
class Cursor:
    sequence: int
    version: int = 0

    def __str__(self) -> str:
        return f"{self.sequence}.{self.version}"


def _cursor(call: Call[Any, wire.Nothing]) -> Cursor | None:
    """The header wins: a browser repeats the query of the first request. Raises: InvalidRequest."""
    text = call.headers.get(LAST_EVENT_ID) or call.query.cursor
    if text is None:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"the cursor is {text!r}; expected the id of an event of this stream")
    return Cursor(int(match[1]), int(match[2] or 0))


def _frame(event: str, data: object, cursor: Cursor | None = None) -> bytes:
    id_ = b"" if cursor is None else f"id: {cursor}\n".encode()
    return b"event: %s\n%sdata: %s\n\n" % (event.encode(), id_, msgspec.json.encode(data))


def _first(cursor: Cursor) -> bytes:
    """An event without data is not seen, but its id is kept."""
    return f"retry: {RETRY_MILLISECONDS}\nid: {cursor}\n\n".encode()


_HEARTBEAT = b": still here\n\n"


def _behind(cursor: Cursor) -> bytes:
    return _frame("behind", {"detail": "more has changed than can be told; read everything again"}, cursor)


# All executions


async def stream_all(context: Context, call: Call[StreamAll, wire.Nothing]) -> Reply | Stream:
    """Executions as they change: events `execution`, and `behind` for a client that must read everything again."""
    context.followers.admit()
    return Stream(_all(context, call.caller, _cursor(call), children=call.query.children), EVENT_STREAM)


async def _all(context: Context, caller: Caller, after: Cursor | None, *, children: bool) -> AsyncGenerator[bytes]:
    def wanted(execution_id: ExecutionId) -> bool:
        return children or parent_of(execution_id) is None

    store = context.service.store
    with context.followers.follow(wanted) as follower:
        cursor = Cursor(store.sequence)
        yield _first(cursor if after is None else after)
        if after is not None:
            async for frame in _missed(context, caller, follower, after):
                yield frame
        while not follower.ended:
            news = await follower.next(HEARTBEAT_SECONDS)
            cursor = Cursor(store.sequence)  # before anything is read: what comes meanwhile is told again
            if news.behind:
                yield _behind(cursor)
                continue
            frames = await _summaries(context, caller, news)
            yield (b"".join(frames) if news.more else _joined(frames, cursor)) if frames else _HEARTBEAT
            if not news.more:
                await follower.rest(PAUSE_SECONDS)


async def _missed(context: Context, caller: Caller, follower: Follower, after: Cursor) -> AsyncGenerator[bytes]:
    async with context.lists.turn():
        changes = await context.service.store.changes(after.sequence)
    if changes is None:
        yield _behind(Cursor(context.service.store.sequence, after.version))
        return
    for change in changes:
        if follower.wants(change.id) and await sees(context, caller, change.id):
            cursor = Cursor(change.sequence, after.version)
            yield _frame("execution", render.summary(change.id, change.projection), cursor)


async def _summaries(context: Context, caller: Caller, news: News) -> list[bytes]:
    frames: list[bytes] = []
    async with context.lists.turn():
        for execution_id in news.executions:
            with suppress(ExecutionNotFound, StoreUnavailable):  # it was deleted meanwhile; or is told of later
                if not await sees(context, caller, execution_id):
                    continue
                projection = await context.service.store.get(execution_id)
                frames.append(_frame("execution", render.summary(execution_id, projection)))
    return frames


def _joined(frames: list[bytes], cursor: Cursor) -> bytes:
    """Whoever has got all of them has the cursor."""
    return b"".join(frames) + f"id: {cursor}\n\n".encode()


# One execution


async def stream_one(context: Context, call: Call[StreamOne, wire.Nothing]) -> Reply | Stream:
    """One execution as it changes: `execution`, `event` for each of its log, `behind`, and `end` when it has ended.

    With `tree`, `execution` tells also of what is below it.
    """
    execution_id = parse_execution_id(call.path["id"])
    cursor = _cursor(call)
    context.followers.admit()
    projection = await context.service.store.get(execution_id)
    if cursor is not None and isinstance(projection.status, Finished) and cursor.version >= projection.version:
        return Reply(204, b"", media_type=EVENT_STREAM)  # a browser does not connect again after this
    return Stream(_one(context, execution_id, cursor, tree=call.query.tree), EVENT_STREAM)


async def _one(
    context: Context, execution_id: ExecutionId, after: Cursor | None, *, tree: bool
) -> AsyncGenerator[bytes]:
    below = execution_id + "."

    def wanted(changed: ExecutionId) -> bool:
        return changed == execution_id or (tree and changed.startswith(below))

    store = context.service.store
    with context.followers.follow(wanted) as follower:
        sequence = store.sequence
        projection = await store.get(execution_id)
        version = projection.version if after is None else after.version
        yield _first(Cursor(sequence if after is None else after.sequence, version))
        yield _frame("execution", render.summary(execution_id, projection))
        if after is not None and after.sequence and tree:
            async for frame in _missed(context, LOCAL, follower, after):
                yield frame
        while True:
            async for frame in _log(context, execution_id, projection, Cursor(sequence, version)):
                yield frame
            version = max(version, projection.version)
            if isinstance(projection.status, Finished):
                yield _frame("end", render.summary(execution_id, projection), Cursor(sequence, version))
                return
            news = await follower.next(HEARTBEAT_SECONDS)
            if follower.ended:
                return
            sequence = sequence if news.more else store.sequence
            if news.behind:
                yield _behind(Cursor(sequence, version))
            frames = await _summaries(context, LOCAL, news)  # who sees an execution sees its tree
            yield b"".join(frames) or _HEARTBEAT
            projection = await store.get(execution_id)
            await follower.rest(PAUSE_SECONDS)


async def _log(
    context: Context, execution_id: ExecutionId, projection: Projection, cursor: Cursor
) -> AsyncGenerator[bytes]:
    """Events of its log from the cursor on, as far as they were when the projection was read."""
    version = cursor.version
    while version < projection.version:
        limit = min(EVENTS_PER_READ, projection.version - version)
        found = await context.service.store.log(execution_id, start=version, limit=limit)
        for item in found:
            version = item.version + 1
            yield _frame("event", render.event(item), Cursor(cursor.sequence, version))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "stream-all",
        stream_all,
        StreamAll,
        wire.Nothing,
        str,
        (TooManyStreams, StoreUnavailable),
        minds_functions=True,
        media_type=EVENT_STREAM,
        headers=(LAST_EVENT_ID,),
    ),
    Operation(
        "stream-execution",
        stream_one,
        StreamOne,
        wire.Nothing,
        str,
        (*EXECUTION, TooManyStreams),
        statuses=(200, 204),
        media_type=EVENT_STREAM,
        headers=(LAST_EVENT_ID,),
    ),
)
