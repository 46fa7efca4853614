"""Operations on how the server is."""

from obelisk_server.api import answers, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.refusals import NotReady


async def alive(_: Context, __: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """The process answers."""
    return Reply(200, answers.Health(status="ok"))


async def ready(context: Context, _: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Executions are taken and run."""
    if not context.ready:
        raise NotReady("the server is starting or stopping")
    if context.service.store_trouble is not None:
        raise NotReady(context.service.store_trouble)
    return Reply(200, answers.Health(status="ready"))


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("alive", alive, wire.Nothing, wire.Nothing, answers.Health),
    Operation("ready", ready, wire.Nothing, wire.Nothing, answers.Health, (NotReady,)),
)
