"""A workflow supplies the result of a stub execution."""

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.values import InvalidValue
from obelisk_runtime.ports.engine import Value
from obelisk_runtime.service.control import stubs
from obelisk_runtime.service.workflows.context import WorkflowContext


def supply(context: WorkflowContext, execution_id: str, result: str) -> Value:
    """`result<_, stub-error>`. What it was answered is recorded, so a replay supplies nothing again."""
    run = context.run
    asked = ev.Stubbed(execution_id, result)
    if not run.history.replays_stub(asked):
        return _supply(context, execution_id, result)
    return _value(run.history.stub(asked, run.node.clock.now()))


async def _supply(context: WorkflowContext, execution_id: str, result: str) -> Value:
    run = context.run
    await run.durable()  # the stub may be a child that is only being created
    error = message = ""
    try:
        await stubs.supply(run.node, execution_id, result)
    except stubs.StubNotFound:
        error = "execution_not_found"
    except InvalidValue as invalid:
        error, message = "type_check_error", str(invalid)
    except stubs.StubConflict:
        error = "conflict"
    answered = run.history.stub(ev.Stubbed(execution_id, result, error, message), run.node.clock.now())
    run.recorded()
    return _value(answered)


def _value(stubbed: ev.Stubbed) -> Value:
    if not stubbed.error:
        return {"ok": None}
    return {"err": {stubbed.error: stubbed.message} if stubbed.message else stubbed.error}
