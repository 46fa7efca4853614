"""The operation that tells callers what they may do, so that a page offers nothing that would be refused."""

from obelisk_server.api import answers, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply


class Rights(answers.Answer, frozen=True, kw_only=True):
    name: str
    """Of the token; `local` or `anonymous` where there are no tokens."""
    scopes: list[str]
    functions: list[str] | None
    """Names, or beginnings with a `*`; null: all."""
    operations: list[str]
    """Ids of the operations that are open to the caller."""


async def rights(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Who the server takes the caller for, and what they may do."""
    caller = call.caller
    answer = Rights(
        name=caller.name,
        scopes=sorted(caller.scopes),
        functions=None if caller.functions is None else list(caller.functions),
        operations=[operation.name for operation in context.operations if operation.open_to(caller)],
    )
    return Reply(200, answer)


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("get-caller", rights, wire.Nothing, wire.Nothing, Rights, minds_functions=True),
)
