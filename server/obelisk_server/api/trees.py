"""Operations on whole trees of executions: fork, export, import, hold, prune."""

from typing import Annotated

from msgspec import Meta

from obelisk_runtime.core.ids import Digest, parse_execution_id, top_of
from obelisk_server.api import wire
from obelisk_server.api.executions import EXECUTIONS
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.api.versions import BODY_BYTES_MAX
from obelisk_server.durations import NotADuration, parse_duration


class Fork(wire.Request, frozen=True):
    version: wire.Position
    """What is recorded before it is reused."""
    digest: Annotated[str, Meta(pattern="^sha256:[0-9a-f]{64}$")] | None = None
    """Another component than the original's, that the store has."""
    component: bytes | None = None
    """Another component than the original's; base64 on the wire."""


async def fork(context: Context, call: Call[wire.Nothing, Fork]) -> Reply:
    """Begin a new execution that reuses the history of a workflow before a version."""
    body = call.body
    if body.digest is not None and body.component is not None:
        raise InvalidRequest("digest and component are given; expected at most one of them")
    component = body.component if body.digest is None else Digest(body.digest)
    forked = await context.service.trees.fork(parse_execution_id(call.path["id"]), body.version, component)
    return Reply(201, {"id": forked}, {"Location": f"{EXECUTIONS}/{forked}"})


class Prune(wire.Request, frozen=True):
    older_than: wire.Text
    """A duration such as "30d": trees that finished longer ago are deleted."""
    cursor: wire.Text | None = None


async def hold(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Keep the tree of an execution from being deleted when it is old."""
    return await _hold(context, call, held=True)


async def release(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Let the tree of an execution be deleted when it is old."""
    return await _hold(context, call, held=False)


async def _hold(context: Context, call: Call[wire.Nothing, wire.Nothing], *, held: bool) -> Reply:
    execution_id = parse_execution_id(call.path["id"])
    changed = await context.service.trees.hold(execution_id, held=held)
    word = "held" if held else "released"
    return Reply(200, {"id": top_of(execution_id), "outcome": word if changed else f"already {word}"})


async def prune(context: Context, call: Call[wire.Nothing, Prune]) -> Reply:
    """Delete trees that finished long ago and are not held, part by part of the store."""
    try:
        older_than = parse_duration(call.body.older_than)
    except NotADuration as error:
        raise InvalidRequest(f"older_than: {error}") from None
    pruned = await context.service.trees.prune(older_than, cursor=call.body.cursor)
    return Reply(200, {"trees": pruned.trees, "next_cursor": pruned.next_cursor})


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("fork", "POST", EXECUTIONS + "/{id}/fork", fork, wire.Nothing, Fork, BODY_BYTES_MAX),
    Operation("hold", "POST", EXECUTIONS + "/{id}/hold", hold, wire.Nothing, wire.Nothing),
    Operation("release", "POST", EXECUTIONS + "/{id}/release", release, wire.Nothing, wire.Nothing),
    Operation("prune", "POST", "/v1/prune", prune, wire.Nothing, Prune),
)
