"""Operations that steer executions and delays: cancel, terminate, pause, resume."""

from obelisk_runtime.core.ids import DelayId, ExecutionId, parse_execution_id
from obelisk_runtime.service import NotCancellable
from obelisk_server.api import answers, render, wire
from obelisk_server.api.operations import AnyOperation, Call, Context, Operation, Reply
from obelisk_server.api.problems import EXECUTION, STUB
from obelisk_server.api.sight import parse_target

Ask = Call[wire.Nothing, wire.Control]


def _answer(target: ExecutionId | DelayId, outcome: str) -> Reply:
    return Reply(200, answers.Steered(id=target, outcome=outcome))


async def cancel(context: Context, call: Ask) -> Reply:
    """Cancel an activity, a delay, or a workflow whose name ends in `-cancellable`."""
    target = parse_target(call.path["id"])
    return _answer(target, await context.service.cancel(target, call.caller.reason("cancelled", call.body.reason)))


async def terminate(context: Context, call: Ask) -> Reply:
    """End an execution, also a workflow that is not cancellable."""
    target = parse_execution_id(call.path["id"])
    return _answer(target, await context.service.terminate(target, call.caller.reason("terminated", call.body.reason)))


async def pause(context: Context, call: Ask) -> Reply:
    """Let nothing take up an execution or a delay until it is resumed."""
    target = parse_target(call.path["id"])
    return _answer(target, await context.service.pause(target, call.caller.reason("paused", call.body.reason)))


async def resume(context: Context, call: Ask) -> Reply:
    """Go on with an execution or a delay that is paused."""
    target = parse_target(call.path["id"])
    return _answer(target, await context.service.resume(target, call.caller.reason("resumed", call.body.reason)))


async def why(context: Context, call: Call[wire.Nothing, wire.Nothing]) -> Reply:
    """Why an execution does not run now."""
    found = await context.service.why(parse_execution_id(call.path["id"]))
    until = None if found.until is None else render.instant(found.until)
    return Reply(
        200, answers.WhyAnswer(because=found.because, text=found.text, until=until, waits_for=[*found.waits_for])
    )


async def stub(context: Context, call: Call[wire.Nothing, wire.Stub]) -> Reply:
    """Supply the result of a stub execution. The same result again is fine."""
    target = parse_execution_id(call.path["id"])
    new = await context.service.stub(target, bytes(call.body.result))
    return _answer(target, "supplied" if new else "already supplied")


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation("cancel", cancel, wire.Nothing, wire.Control, answers.Steered, (*EXECUTION, NotCancellable)),
    Operation("terminate", terminate, wire.Nothing, wire.Control, answers.Steered, EXECUTION),
    Operation("pause", pause, wire.Nothing, wire.Control, answers.Steered, EXECUTION),
    Operation("resume", resume, wire.Nothing, wire.Control, answers.Steered, EXECUTION),
    Operation("why", why, wire.Nothing, wire.Nothing, answers.WhyAnswer, EXECUTION),
    Operation("stub", stub, wire.Nothing, wire.Stub, answers.Steered, (*EXECUTION, *STUB)),
)
