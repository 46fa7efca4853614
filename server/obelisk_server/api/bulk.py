"""Operations on many executions that a filter matches. A dry run comes first; its token is needed for the real call.

What was created after the dry run is left alone, and if more match than it said, nothing is done.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
from msgspec import UNSET, UnsetType

from obelisk_runtime.core.errors import InvalidName, ObeliskError
from obelisk_runtime.core.ids import ExecutionId, Instant
from obelisk_runtime.core.short_names import AmbiguousFunction
from obelisk_runtime.ports.store import PAGE_MAX, ExecutionFilter, StoreUnavailable, Summary
from obelisk_server.access import Caller
from obelisk_server.api import answers, render, wire
from obelisk_server.api.filters import execution_filter
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import InvalidRequest, MoreMatch, TokenNeeded

MATCHES_MAX = 10_000
"""As many are counted, and done with one token."""
SAMPLES = 10
AT_ONCE = 50
"""How many are done together, so that they share commits."""
_TOKEN = re.compile(r"([0-9]{1,18})\.([0-9]{1,6})\.([0-9a-f]{16})")
_PLACE = re.compile(r"([0-9]{1,6}) (.+)")

Act = Callable[[Context, Sequence[ExecutionId], str], Awaitable[list["Done"]]]


class Done(answers.Answer, frozen=True, kw_only=True):
    id: str
    outcome: str | UnsetType = UNSET
    """What was done."""
    refused: str | UnsetType = UNSET
    """Why it was not."""


class BulkAnswer(answers.Answer, frozen=True, kw_only=True):
    matches: int
    """In the dry run."""
    more: bool | UnsetType = UNSET
    """Of a dry run: there are more than are counted, for another dry run after this one was carried out."""
    samples: list[answers.Summary] | UnsetType = UNSET
    """Of a dry run: some that match."""
    token: str | UnsetType = UNSET
    """Of a dry run: for the real call."""
    items: list[Done] | UnsetType = UNSET
    """What became of each."""
    next_cursor: str | UnsetType | None = UNSET
    """Where the next call with the same token goes on; null: all is done."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a dry run saw."""

    at: Instant
    matches: int
    mark: str
    """Of action and filter."""

    def __str__(self) -> str:
        return f"{self.at}.{self.matches}.{self.mark}"


async def _bulk(context: Context, name: str, call: Call[wire.Nothing, wire.Bulk], act: Act) -> Reply:
    body, caller = call.body, call.caller
    mark = hashlib.sha256(name.encode() + msgspec.json.encode(body.filter)).hexdigest()[:16]
    if body.dry_run:
        return Reply(200, await _dry_run(context, caller, body.filter, mark))
    token = _token(body.token, mark)
    where = _where(context, caller, body.filter, token.at)
    if body.cursor is None:
        found = (await matching(context, where))[0]
        if found > token.matches:
            raise MoreMatch(token.matches, found)
    before, cursor = _place(body.cursor)
    if before >= token.matches:
        return Reply(200, BulkAnswer(matches=token.matches, items=[], next_cursor=None))
    async with context.lists.turn():
        page = await context.service.store.list(where, cursor=cursor, limit=min(body.limit, token.matches - before))
        ids = [item.id for item in page.items]
    items = await act(context, ids, caller.reason(name, body.reason))
    done = before + len(items)
    ends = page.next_cursor is None or done >= token.matches
    answer = BulkAnswer(matches=token.matches, items=items, next_cursor=None if ends else f"{done} {page.next_cursor}")
    return Reply(200, answer, executions=[item.id for item in items if item.refused is UNSET])


def _where(context: Context, caller: Caller, given: wire.Filter, at: Instant) -> ExecutionFilter:
    """The filter as it was at that time: what was created later does not match."""
    where = execution_filter(context, caller, given, at)
    return replace(where, created_before=min(at, at if where.created_before is None else where.created_before))


async def _dry_run(context: Context, caller: Caller, given: wire.Filter, mark: str) -> BulkAnswer:
    at = Instant(context.service.now() + 1)
    matches, samples, more = await matching(context, _where(context, caller, given, at))
    shown = [render.summary(item.id, item.projection) for item in samples]
    return BulkAnswer(matches=matches, more=more, samples=shown, token=str(Token(at, matches, mark)))


async def matching(context: Context, where: ExecutionFilter) -> tuple[int, Sequence[Summary], bool]:
    """(how many match, the first of them, whether there are more than MATCHES_MAX)."""
    matches, cursor = 0, None
    samples: list[Summary] = []
    while matches < MATCHES_MAX:
        async with context.lists.turn():
            page = await context.service.store.list(where, cursor=cursor, limit=min(PAGE_MAX, MATCHES_MAX - matches))
        matches += len(page.items)
        samples += page.items[: SAMPLES - len(samples)]
        cursor = page.next_cursor
        if cursor is None:
            return matches, samples, False
    return matches, samples, True


def _place(cursor: str | None) -> tuple[int, str | None]:
    """(how many were done with this token, where the list goes on). Raises: InvalidName."""
    if cursor is None:
        return 0, None
    match = _PLACE.fullmatch(cursor)
    if match is None:
        raise InvalidName("cursor", cursor, "a `next_cursor` of this action")
    return int(match[1]), match[2]


def _token(text: str | None, mark: str) -> Token:
    """Raises: TokenNeeded, InvalidRequest."""
    if text is None:
        raise TokenNeeded('nothing was done; send it with "dry_run": true first, and then with the token of the answer')
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"the token is {text!r}; expected the one that a dry run answered")
    if match[3] != mark:
        raise TokenNeeded("the token is of a dry run with another filter or for something else; make one with this")
    return Token(Instant(int(match[1])), int(match[2]), mark)


def _each(steer: Callable[[Context, ExecutionId, str], Awaitable[str]]) -> Act:
    async def act(context: Context, ids: Sequence[ExecutionId], reason: str) -> list[Done]:
        async def one(execution_id: ExecutionId) -> Done:
            try:
                return Done(id=execution_id, outcome=await steer(context, execution_id, reason))
            except StoreUnavailable:
                raise  # of all
            except ObeliskError as error:
                return Done(id=execution_id, refused=str(error))

        done: list[Done] = []
        for start in range(0, len(ids), AT_ONCE):
            ended = await asyncio.gather(*map(one, ids[start : start + AT_ONCE]), return_exceptions=True)
            failures = [end for end in ended if isinstance(end, BaseException)]
            if failures:
                raise failures[0]  # none of them goes on without anybody who waits for it
            done += [end for end in ended if isinstance(end, Done)]
        return done

    return act


_CANCEL = _each(lambda context, id_, reason: context.service.cancel(id_, reason))
_PAUSE = _each(lambda context, id_, reason: context.service.pause(id_, reason))
_RESUME = _each(lambda context, id_, reason: context.service.resume(id_, reason))


async def _delete(context: Context, ids: Sequence[ExecutionId], _: str) -> list[Done]:
    deleted = set(await context.service.trees.delete(ids))
    return [
        Done(id=id_, outcome="deleted") if id_ in deleted else Done(id=id_, refused="it has not finished, or is held")
        for id_ in ids
    ]


async def cancel(context: Context, call: Call[wire.Nothing, wire.Bulk]) -> Reply:
    """Cancel all that a filter matches, after a dry run."""
    return await _bulk(context, "cancelled", call, _CANCEL)


async def pause(context: Context, call: Call[wire.Nothing, wire.Bulk]) -> Reply:
    """Pause all that a filter matches, after a dry run."""
    return await _bulk(context, "paused", call, _PAUSE)


async def resume(context: Context, call: Call[wire.Nothing, wire.Bulk]) -> Reply:
    """Resume all that a filter matches, after a dry run."""
    return await _bulk(context, "resumed", call, _RESUME)


async def delete(context: Context, call: Call[wire.Nothing, wire.Bulk]) -> Reply:
    """Delete all finished trees of executions that a filter matches, after a dry run."""
    if call.body.filter.children or call.body.filter.parent is not None:
        raise InvalidRequest("children are deleted with their trees; leave out `children` and `parent`")
    return await _bulk(context, "deleted", call, _delete)


_ERRORS = (TokenNeeded, MoreMatch, InvalidName, AmbiguousFunction, StoreUnavailable)
OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("bulk-cancel", cancel, wire.Nothing, wire.Bulk, BulkAnswer, _ERRORS, minds_functions=True),
    Operation("bulk-pause", pause, wire.Nothing, wire.Bulk, BulkAnswer, _ERRORS, minds_functions=True),
    Operation("bulk-resume", resume, wire.Nothing, wire.Bulk, BulkAnswer, _ERRORS, minds_functions=True),
    Operation("bulk-delete", delete, wire.Nothing, wire.Bulk, BulkAnswer, _ERRORS),
)
