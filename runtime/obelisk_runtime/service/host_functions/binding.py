"""Host functions bound to a component: what each import of a workflow or activity does."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from obelisk_runtime.core import interfaces
from obelisk_runtime.core.deployment import ComponentKind
from obelisk_runtime.core.history import Nondeterminism
from obelisk_runtime.core.host_types import (
    JOIN_SET_INTERFACE,
    LOG,
    WEBHOOK_SUPPORT,
    WORKFLOW_SUPPORT,
    WORKFLOW_SUPPORT_BACKTRACE,
)
from obelisk_runtime.core.types import FunctionType
from obelisk_runtime.core.values import InvalidValue
from obelisk_runtime.ports.engine import CompiledComponent, GuestTrap, HostFunction, ResourceDestructor, Value
from obelisk_runtime.ports.store import LogLevel
from obelisk_runtime.service.activities.context import ActivityContext
from obelisk_runtime.service.components.library import Bindings
from obelisk_runtime.service.host_functions import calls, dynamic, webhook_support
from obelisk_runtime.service.host_functions import workflow_support as support
from obelisk_runtime.service.workflows.context import WorkflowContext

_SUPPORT_INTERFACES = (JOIN_SET_INTERFACE, WORKFLOW_SUPPORT, WORKFLOW_SUPPORT_BACKTRACE)
_SUPPORT = {**support.FUNCTIONS, **dynamic.FUNCTIONS}
Call = Callable[[Any, tuple[Value, ...]], Value]
"""Given the context of a workflow or webhook."""


def bind(component: CompiledComponent, kind: ComponentKind) -> Bindings:
    """Every import that this host provides; what is missing is found by `CompiledComponent.link`."""
    functions: dict[tuple[str, str], HostFunction] = {}
    for item in component.imports:
        function = _function(item.interface, item.name, item.type, kind)
        if function is not None:
            functions[item.interface, item.name] = function
    destructors: dict[tuple[str, str], ResourceDestructor] = {(JOIN_SET_INTERFACE, "join-set"): _drop_handle}
    return functions, destructors


def _function(interface: str, name: str, type_: FunctionType, kind: ComponentKind) -> HostFunction | None:
    if interface == LOG:
        return _log(LogLevel(name))
    match kind:
        case ComponentKind.WORKFLOW:
            call = _workflow_call(interface, name, type_)
        case ComponentKind.WEBHOOK:
            call = _webhook_call(interface, name, type_)
        case ComponentKind.ACTIVITY | ComponentKind.STUB:
            call = None
    return None if call is None else _guarded(call)


def _workflow_call(interface: str, name: str, type_: FunctionType) -> Call | None:
    match interfaces.classify(interface, name):
        case interfaces.DirectCall(function):
            return calls.direct(function, type_)
        case interfaces.Submit(function):
            return calls.submit(function, type_)
        case interfaces.AwaitNext(function):
            return calls.await_next(function, type_)
        case interfaces.Get(function):
            return calls.get(function, type_)
        case interfaces.Schedule(function):
            return calls.schedule(function, type_)
        case interfaces.Stub(function):
            return calls.stub(function, type_)
        case interfaces.HostFunction():
            call = _SUPPORT.get(name) if interface in _SUPPORT_INTERFACES else None
            return call if call is None or interface != WORKFLOW_SUPPORT_BACKTRACE else _stating(call)
        case _:
            return None


def _stating(call: Call) -> Call:
    """The form whose last argument says where in its source the guest is."""

    def stated(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        context.stated = arguments[-1]
        return call(context, arguments)

    return stated


def _webhook_call(interface: str, name: str, type_: FunctionType) -> Call | None:
    match interfaces.classify(interface, name):
        case interfaces.DirectCall(function):
            return calls.direct(function, type_)
        case interfaces.Schedule(function):
            return calls.schedule(function, type_)
        case interfaces.HostFunction():
            return webhook_support.FUNCTIONS.get(name) if interface == WEBHOOK_SUPPORT else None
        case _:
            return None


def _log(level: LogLevel) -> HostFunction:
    def log(context: WorkflowContext | ActivityContext, arguments: tuple[Value, ...]) -> None:
        context.log(level, arguments[0])

    return log


def _drop_handle(context: WorkflowContext, rep: int) -> None:
    context.drop_handle(rep)


def _guarded(call: Call) -> HostFunction:
    """Join sets whose handles were dropped close first; what a guest does wrong traps it."""

    def guarded(context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        try:
            while context.dropped:
                closing = context.run.close(context.dropped.pop(0))
                if closing is not None:
                    return after(closing, context, arguments)
            return call(context, arguments)
        except Nondeterminism as error:
            context.run.nondeterministic(error)
            raise GuestTrap(str(error)) from None
        except InvalidValue as error:
            raise GuestTrap(str(error)) from None

    async def after(closing: Awaitable[Value], context: WorkflowContext, arguments: tuple[Value, ...]) -> Value:
        await closing
        answer: Value = guarded(context, arguments)
        return await answer if inspect.isawaitable(answer) else answer

    return guarded
