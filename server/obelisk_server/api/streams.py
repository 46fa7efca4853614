"""Server-sent events: changes of executions as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html).

A cursor is `12.34`: all that commits up to the 12th did was told, and after it 34 events of logs. It is good over
restarts of the server. What a client missed is sent first; if that is too much, or if the store is an older one than
the cursor (a backup was put in its place), it is told that it fell behind, and reads everything again.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from obelisk_runtime.core.ids import ExecutionId, parent_of, parse_execution_id
from obelisk_runtime.core.projection import Finished
from obelisk_runtime.ports.store import StoreUnavailable
from obelisk_server.access import LOCAL, Caller
from obelisk_server.api import render, wire
from obelisk_server.api.followers import Follower, News, TooManyStreams
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply, Stream
from obelisk_server.api.problems import EXECUTION
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.api.sight import seen

EVENT_STREAM = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
"""A comment is sent after this long without news, so that everybody sees that the other is there."""
PAUSE_SECONDS = 0.1
"""Between batches: what changes many times meanwhile is sent once."""
RETRY_MILLISECONDS = 1_000
"""How long a client waits before it connects again."""
SUMMARIES_PER_READ = 100
EVENTS_PER_READ = 200
LATEST = 2**63 - 1
"""Later than any commit."""
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
    """Where to go on, for a client that cannot send the header Last-Event-ID; or `0.N`: from the beginning, without the
    first N events."""


@dataclass(frozen=True, slots=True)
class Cursor:
    sequence: int
    told: int = 0
    """Events that later commits added, in the order of `Overview.added`."""

    def __str__(self) -> str:
        return f"{self.sequence}.{self.told}"


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


def _now_at(cursor: Cursor) -> bytes:
    """Whoever has got all that came before has the cursor. A heartbeat, if nothing came."""
    return f": still here\nid: {cursor}\n\n".encode()


def _behind(cursor: Cursor) -> bytes:
    return _frame("behind", {"detail": "more has changed than can be told; read everything again"}, cursor)


# All executions


async def stream_all(context: Context, call: Call[StreamAll, wire.Nothing]) -> Reply | Stream:
    """Executions as they change: events `execution`, and `behind` for a client that must read everything again."""
    return Stream(_all(context, call.caller, _cursor(call), children=call.query.children), EVENT_STREAM)


async def _all(context: Context, caller: Caller, after: Cursor | None, *, children: bool) -> AsyncGenerator[bytes]:
    def wanted(execution_id: ExecutionId) -> bool:
        return children or parent_of(execution_id) is None

    store = context.service.store
    with context.followers.follow(wanted) as follower:
        yield _first(Cursor(store.sequence) if after is None else after)
        if after is not None:
            async for frame in _missed(context, caller, follower, after):
                yield frame
        while True:
            news = await follower.next(HEARTBEAT_SECONDS)
            if follower.ended:
                return
            cursor = Cursor(store.sequence)  # before anything is read: what comes meanwhile is told again
            if news.behind:
                yield _behind(cursor)
            async for frames in _summaries(context, caller, news.executions):
                yield frames
            yield _now_at(cursor)
            await follower.rest(PAUSE_SECONDS)


async def _missed(context: Context, caller: Caller, follower: Follower, after: Cursor) -> AsyncGenerator[bytes]:
    sequence = context.service.store.sequence
    changes = None if after.sequence > sequence else await context.service.store.changes(after.sequence)
    if changes is None:
        yield _behind(Cursor(sequence))
        return
    ids = await seen(context, caller, [change.id for change in changes if follower.wants(change.id)])
    visible = frozenset(ids)
    for change in changes:
        if change.id in visible:
            yield _frame("execution", render.summary(change.id, change.projection), Cursor(change.sequence))


async def _summaries(context: Context, caller: Caller, ids: Sequence[ExecutionId]) -> AsyncGenerator[bytes]:
    """Some at once, with turns of others between. One that was deleted meanwhile is left out."""
    for start in range(0, len(ids), SUMMARIES_PER_READ):
        async with context.lists.turn():
            visible = await seen(context, caller, ids[start : start + SUMMARIES_PER_READ])
            found = await context.service.store.get_all(visible)
            frames = [_frame("execution", render.summary(*item)) for item in found.items()]
        yield b"".join(frames)


# One execution, or a tree


async def stream_one(context: Context, call: Call[StreamOne, wire.Nothing]) -> Reply | Stream:
    """One execution as it changes: `execution`, `event` for each of its log, `behind`, and `end` when it has ended.

    With `tree` also all that is below it. Every event of a log is told once and in order, with the id of its
    execution; after `behind`, those that came before it are not told any more.
    """
    execution_id = parse_execution_id(call.path["id"])
    cursor, tree = _cursor(call), call.query.tree
    projection = await context.service.store.get(execution_id)
    if cursor is not None and isinstance(projection.status, Finished):
        news = await _missed_of(context, execution_id, cursor, tree=tree)
        if not news.behind and not await _has_more(context, news.executions, cursor):
            return Reply(204, b"", media_type=EVENT_STREAM)  # a browser does not connect again after this
    return Stream(_one(context, execution_id, cursor, tree=tree), EVENT_STREAM)


async def _one(
    context: Context, execution_id: ExecutionId, after: Cursor | None, *, tree: bool
) -> AsyncGenerator[bytes]:
    below = execution_id + "."

    def wanted(changed: ExecutionId) -> bool:
        return changed == execution_id or (tree and changed.startswith(below))

    store = context.service.store
    with context.followers.follow(wanted) as follower:
        reached = store.sequence  # before anything is read: all that these commits did is read
        cursor = Cursor(reached) if after is None else after
        yield _first(cursor)
        projection = await store.get(execution_id)
        yield _frame("execution", render.summary(execution_id, projection))
        news = News() if after is None else await _missed_of(context, execution_id, after, tree=tree)
        while True:
            if news.behind:
                yield _behind(Cursor(reached))
            async for frames in _told(context, news.executions, cursor, reached):
                yield frames
            cursor = Cursor(reached)
            if news.behind or execution_id in news.executions:
                projection = await store.get(execution_id)
            if isinstance(projection.status, Finished) and not await _has_more(context, [execution_id], cursor):
                yield _frame("end", render.summary(execution_id, projection), cursor)
                return
            await follower.rest(PAUSE_SECONDS)
            news = await follower.next(HEARTBEAT_SECONDS)
            if follower.ended:
                return
            reached = store.sequence


async def _missed_of(context: Context, execution_id: ExecutionId, after: Cursor, *, tree: bool) -> News:
    if after.sequence > context.service.store.sequence:
        return News(behind=True)
    if not tree:
        return News((execution_id,))
    changes = await context.service.store.changes(after.sequence, tree=execution_id)
    return News(behind=True) if changes is None else News(tuple(change.id for change in changes))


async def _told(context: Context, ids: Sequence[ExecutionId], after: Cursor, reached: int) -> AsyncGenerator[bytes]:
    """How these are, and their events from a cursor up to a commit."""
    async for frames in _summaries(context, LOCAL, ids):  # who sees an execution sees its tree
        yield frames
    cursor, latest = after, None
    while ids:
        found = await context.service.store.added(
            ids, after=cursor.sequence, until=reached, skip=cursor.told, limit=EVENTS_PER_READ
        )
        for item in found:
            if latest is not None and item.sequence > latest:
                cursor = Cursor(latest)  # it was told as a whole
            cursor, latest = Cursor(cursor.sequence, cursor.told + 1), item.sequence
            yield _frame("event", {"execution": item.id, **render.event(item.event)}, cursor)
        if len(found) < EVENTS_PER_READ:
            break
    yield _now_at(Cursor(reached))


async def _has_more(context: Context, ids: Sequence[ExecutionId], cursor: Cursor) -> bool:
    """Whether their logs have events after it."""
    store = context.service.store
    return bool(await store.added(ids, after=cursor.sequence, until=LATEST, skip=cursor.told, limit=1))


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
