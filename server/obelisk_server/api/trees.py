"""Operations on whole trees of executions: fork, export, import, hold, prune."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from obelisk_runtime.core.errors import InvalidName
from obelisk_runtime.core.forking import CannotFork
from obelisk_runtime.core.ids import Digest, parse_execution_id, top_of
from obelisk_runtime.core.transfer import InvalidExport
from obelisk_runtime.ports.store import IdConflict, StoreUnavailable
from obelisk_runtime.service import NotAWorkflow
from obelisk_runtime.service.trees.transfer import ImportResult, TreeBusy, TreeTooLarge
from obelisk_server.api import answers, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import COMPONENT, EXECUTION
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.api.replays import BODY_BYTES_MAX
from obelisk_server.api.sight import require_sight
from obelisk_server.durations import NotADuration, parse_duration
from obelisk_server.endpoints import ENDPOINTS, Scope


class Fork(wire.Request, frozen=True):
    version: wire.Position
    """What is recorded before it is reused."""
    digest: wire.Digest | None = None
    """Another component than the original's, that the store has."""
    component: bytes | None = None
    """Another component than the original's; base64 on the wire."""

    def noted(self) -> Mapping[str, Any]:
        code = {} if self.component is None else {"component_bytes": len(self.component)}
        chosen = {} if self.digest is None else {"digest": self.digest}
        return {"version": self.version, **chosen, **code}


class Forked(answers.Answer, frozen=True, kw_only=True):
    id: str


class Exported(answers.Answer, frozen=True, kw_only=True):
    lines: list[msgspec.Raw]


class Imported(answers.Answer, frozen=True, kw_only=True):
    id: str
    outcome: str
    missing_components: list[str]


class Pruned(answers.Answer, frozen=True, kw_only=True):
    trees: int
    next_cursor: str | None


async def fork(context: Context, call: Call[wire.Nothing, Fork]) -> Reply:
    """Begin a new execution that reuses the history of a workflow before a version."""
    body = call.body
    if body.digest is not None and body.component is not None:
        raise InvalidRequest("digest and component are given; expected at most one of them")
    execution_id = parse_execution_id(call.path["id"])
    if body.component is not None:
        call.caller.require(Scope.ADMIN)  # it brings code
    call.caller.require_function((await context.service.store.get(execution_id)).function)
    component = body.component if body.digest is None else Digest(body.digest)
    forked = await context.service.trees.fork(execution_id, body.version, component)
    return Reply(201, Forked(id=forked), {"Location": ENDPOINTS["get-execution"].filled(forked)}, executions=(forked,))


class Prune(wire.Request, frozen=True):
    older_than: wire.Text
    """A duration such as "30d": trees that finished longer ago are deleted."""
    cursor: wire.Text | None = None

    def noted(self) -> Mapping[str, Any]:
        return {"older_than": self.older_than}


class Import(wire.Request, frozen=True):
    lines: Annotated[list[msgspec.Raw], Meta(min_length=1)]
    """A tree as it was exported."""


async def export(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """A tree of executions with logs and responses, to be imported elsewhere."""
    lines = await context.service.trees.export(parse_execution_id(call.path["id"]))
    return Reply(200, Exported(lines=[msgspec.Raw(line) for line in lines]))


async def import_tree(context: Context, call: Call[wire.Nothing, Import]) -> Reply:
    """Take in a tree of executions that was exported; what is unfinished arrives paused."""
    imported = await context.service.trees.import_([bytes(line) for line in call.body.lines])
    status = 201 if imported.result is ImportResult.IMPORTED else 200
    missing = [str(digest) for digest in imported.missing]
    answer = Imported(id=imported.id, outcome=imported.result.value, missing_components=missing)
    return Reply(status, answer, executions=(imported.id,))


async def hold(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Keep the tree of an execution from being deleted when it is old."""
    return await _hold(context, call, held=True)


async def release(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Let the tree of an execution be deleted when it is old."""
    return await _hold(context, call, held=False)


async def _hold(context: Context, call: Call[wire.Nothing, wire.Nothing], *, held: bool) -> Reply:
    execution_id = parse_execution_id(call.path["id"])
    await require_sight(context, call.caller, top_of(execution_id))
    changed = await context.service.trees.hold(execution_id, held=held)
    word = "held" if held else "released"
    return Reply(200, answers.Steered(id=top_of(execution_id), outcome=word if changed else f"already {word}"))


async def prune(context: Context, call: Call[wire.Nothing, Prune]) -> Reply:
    """Delete trees that finished long ago and are not held, part by part of the store."""
    try:
        older_than = parse_duration(call.body.older_than)
    except NotADuration as error:
        raise InvalidRequest(f"older_than: {error}") from None
    pruned = await context.service.trees.prune(older_than, cursor=call.body.cursor)
    return Reply(200, Pruned(trees=pruned.trees, next_cursor=pruned.next_cursor))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "fork",
        fork,
        wire.Nothing,
        Fork,
        Forked,
        (*EXECUTION, *COMPONENT, NotAWorkflow, CannotFork),
        statuses=(201,),
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Operation("hold", hold, wire.Nothing, wire.Nothing, answers.Steered, EXECUTION),
    Operation("release", release, wire.Nothing, wire.Nothing, answers.Steered, EXECUTION),
    Operation("export", export, wire.Nothing, wire.Nothing, Exported, (*EXECUTION, TreeTooLarge, TreeBusy)),
    Operation(
        "import",
        import_tree,
        wire.Nothing,
        Import,
        Imported,
        (InvalidExport, IdConflict, StoreUnavailable),
        statuses=(200, 201),
        body_bytes_max=BODY_BYTES_MAX,
    ),
    Operation("prune", prune, wire.Nothing, Prune, Pruned, (InvalidName, StoreUnavailable)),
)
