"""`obelisk:workflow/workflow-support` and the methods of join sets, for workflow guests."""

from collections.abc import Callable, Mapping

from obelisk_runtime.core import events as ev
from obelisk_runtime.core.history import AllProcessed, NotYet, SetClosed, Taken
from obelisk_runtime.core.ids import valid_join_set_name
from obelisk_runtime.ports.engine import GuestTrap, Value
from obelisk_runtime.service.host_functions.wit_values import (
    datetime_value,
    response_id_value,
    result_json,
    schedule_of,
)
from obelisk_runtime.service.workflows.context import WorkflowContext

Arguments = tuple[Value, ...]


def _execution_id_current(context: WorkflowContext, _: Arguments) -> Value:
    return {"id": context.run.id}


def _random_u64(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    return _random_between(context, "random-u64", low, high, high - 1)


def _random_u64_inclusive(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    return _random_between(context, "random-u64-inclusive", low, high, high)


def _random_between(context: WorkflowContext, name: str, low: int, asked: int, last: int) -> Value:
    call = f"{name}({low}, {asked})"
    if last < low:
        raise GuestTrap(f"{call}: the range is empty")
    return int(_draw(context, call, lambda: str(low + context.recorded_random.below(last - low + 1))))


def _random_string(context: WorkflowContext, arguments: Arguments) -> Value:
    low, high = arguments[:2]
    call = f"random-string({low}, {high})"
    if high <= low:
        raise GuestTrap(f"{call}: the range of lengths is empty")
    random = context.recorded_random
    return _draw(context, call, lambda: random.text(low + random.below(high - low)))


def _draw(context: WorkflowContext, call: str, choose: Callable[[], str]) -> str:
    run = context.run
    drawn = run.history.draw(call, choose, run.node.clock.now())
    run.recorded()
    return drawn


def _sleep(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    schedule, name = arguments[:2]
    if name is not None and not valid_join_set_name(name):
        raise GuestTrap(f"sleep: {name!r} is no join set name; expected letters, digits, '-' and '/'")
    run.history.sleep(schedule_of(schedule), name, run.node.clock.now())

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        if isinstance(taken.response.result, ev.DelayCancelled):
            return {"err": None}
        return {"ok": datetime_value(run.history.now)}

    return run.wait_for(answer)


def _join_set_create(context: WorkflowContext, _: Arguments) -> Value:
    run = context.run
    join_set = run.history.create_join_set(run.node.clock.now())
    assert join_set is not None, "generated names are always free"
    run.recorded()
    return context.give_handle(join_set)


def _join_set_create_named(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    name = arguments[0]
    if not valid_join_set_name(name):
        return {"err": {"invalid_name": f"{name!r}; expected letters, digits, '-' and '/'"}}
    join_set = run.history.create_join_set(run.node.clock.now(), name)
    if join_set is None:
        return {"err": "conflict"}
    run.recorded()
    return {"ok": context.give_handle(join_set)}


def _join_set_close(context: WorkflowContext, arguments: Arguments) -> Value:
    return context.run.close(context.join_sets.pop(arguments[0]))


def _submit_delay(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    join_set = context.join_sets[arguments[0]]
    delay = run.history.submit_delay(join_set, schedule_of(arguments[1]), run.node.clock.now())
    run.recorded()
    return {"id": delay}


def _join_next(context: WorkflowContext, arguments: Arguments) -> Value:
    run = context.run
    join_set = context.join_sets[arguments[0]]
    if isinstance(run.history.await_next(join_set, None, run.node.clock.now()), AllProcessed):
        return {"err": "all_processed"}

    def answer(taken: Taken | SetClosed) -> Value:
        assert isinstance(taken, Taken)
        return {"ok": result_json(run.node.deployment, taken)}

    return run.wait_for(answer)


def _join_next_try(context: WorkflowContext, arguments: Arguments) -> Value:
    """What it answers is committed before the guest knows it: a guest that polls is as slow as the store."""
    run = context.run
    tried = run.history.try_next(context.join_sets[arguments[0]], run.node.clock.now())
    match tried:
        case AllProcessed():
            return {"err": "all_processed"}
        case NotYet():
            return run.after_commit({"err": "pending"})
        case Taken():
            run.recorded()
            return {"ok": result_json(run.node.deployment, tried)}


def _execution_id_generate(context: WorkflowContext, _: Arguments) -> Value:
    run = context.run
    now = run.node.clock.now()
    generated = run.history.generate_id(lambda: run.node.ids.execution_id(now), now)
    run.recorded()
    return {"id": generated}


def _last_direct_call_id(context: WorkflowContext, _: Arguments) -> Value:
    last = context.run.history.last_direct
    return None if last is None else {"id": last}


def _last_one_off_id(context: WorkflowContext, _: Arguments) -> Value:
    last = context.run.history.last_one_off
    return None if last is None else response_id_value(last)


def _join_set_id(context: WorkflowContext, arguments: Arguments) -> Value:
    return context.join_sets[arguments[0]]


def _join_set_last_id(context: WorkflowContext, arguments: Arguments) -> Value:
    last = context.run.history.sets[context.join_sets[arguments[0]]].last
    return None if last is None else response_id_value(last)


FUNCTIONS: Mapping[str, Callable[[WorkflowContext, Arguments], Value]] = {
    "execution-id-current": _execution_id_current,
    "random-u64": _random_u64,
    "random-u64-inclusive": _random_u64_inclusive,
    "random-string": _random_string,
    "sleep": _sleep,
    "join-set-create": _join_set_create,
    "join-set-close": _join_set_close,
    "submit-delay": _submit_delay,
    "join-next": _join_next,
    "join-next-try": _join_next_try,
    "join-set-create-named": _join_set_create_named,
    "execution-id-generate": _execution_id_generate,
    "last-direct-call-id": _last_direct_call_id,
    "last-oneoff-id": _last_one_off_id,
    "[method]join-set.id": _join_set_id,
    "[method]join-set.last-id": _join_set_last_id,
}
"""By name; the forms with a backtrace take one more last argument, which changes nothing here."""
