"""Operations on whole trees of executions: fork, export, import, hold, prune."""

from typing import Annotated

from msgspec import Meta

from obelisk_runtime.core.ids import Digest, parse_execution_id
from obelisk_server.api import wire
from obelisk_server.api.executions import EXECUTIONS
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import InvalidRequest
from obelisk_server.api.versions import BODY_BYTES_MAX


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


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("fork", "POST", EXECUTIONS + "/{id}/fork", fork, wire.Nothing, Fork, BODY_BYTES_MAX),
)
